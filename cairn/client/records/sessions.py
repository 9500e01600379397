"""Records of sessions: what is sent, what is stored, what a stream tells; the jobs that read uploads; what is captured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cairn.client.records.budget import SessionCostDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call with its result. `input`: a text, or what JSON can hold."""

    name: str
    input: object = ""
    output: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event to send. `role`: user, assistant, tool or system. `id`: stable, unique in its session; citations name it."""

    id: str
    role: str
    text: str = ""
    speaker: str | None = None
    timestamp: datetime | None = None
    tool: ToolCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The outcome for events that were sent. `redactions`: secrets that were taken out, by kind."""

    session_id: str
    accepted: int
    duplicates: int
    redactions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session. `external_id`: its id in the agent that recorded it. `dated_at`: when it took place. `mine`: this key may purge it.

    `developer`: who sent it first; None: the admin key, or somebody who is gone.
    """

    id: str
    project: str
    developer: str | None
    provider: str
    external_id: str
    title: str | None
    transcript: str
    directory: str | None
    repository: str | None
    branch: str | None
    commit: str | None
    agent_version: str | None
    model: str | None
    started_at: datetime | None
    ended_at: datetime | None
    dated_at: datetime | None
    events: int
    redactions: Mapping[str, int]
    mine: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of something that is derived from a session. `parked`: why it failed; None: it has not."""

    name: str
    events: int
    current: bool
    parked: str | None
    retry_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDetails(Session):
    """A session, with how far it has been read and what its calls of models cost; None: none is known, or none that this key may see."""

    projections: tuple[Progress, ...]
    cost: SessionCostDetails | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPhase:
    """A phase that two sessions share. `here`, `there`: number of the event with which it begins in the one asked about, in the other."""

    phase: str
    here: int
    there: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarSession:
    """A session like the one asked about. `score`: share of their phases in common, 0 to 1; `course`: likeness over time, weaker evidence.

    `because`: why, in words. `then`: what it did after the last trouble that both had.
    """

    id: str
    project: str
    title: str | None
    transcript: str
    ended_at: datetime | None
    score: float
    course: float
    because: str
    both: tuple[str, ...]
    then: tuple[str, ...]
    shared: tuple[SharedPhase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarSessions:
    """Sessions like one, the likest first. `state`: compared, not_analysed or too_short; `reason`: why it was not compared, None: it was.

    `phases`: number of its phases that were compared; `left_out`: those before. `compared`: number of sessions that it was compared with.
    """

    state: str
    reason: str | None
    phases: int
    left_out: int
    compared: int
    sessions: tuple[SimilarSession, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """A page of sessions. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    sessions: tuple[Session, ...]
    next_cursor: str | None = None

    @property
    def items(self) -> tuple[Session, ...]:
        """Return the sessions of this page."""
        return self.sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Numbers of what a purge deleted. Passages and items that other sessions hold too remain."""

    events: int
    passages_removed: int
    knowledge_removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedTool:
    """A tool call that a stream tells."""

    name: str
    input: object = ""
    output: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedEvent:
    """An event of a session that is followed. `changed`: it was told before, and filled in since. `position`: to go on after it."""

    seq: int
    id: str
    kind: str
    role: str | None
    text: str
    at: datetime | None = None
    tool: StreamedTool | None = None
    outcome: str | None = None
    model: str | None = None
    locator: str | None = None
    position: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedItem:
    """An item of knowledge that was learnt from a session that is followed. `position`: to go on after it."""

    id: str
    type: str
    title: str
    text: str
    position: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An upload was stored; the job reads it."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """Progress of a job, in bytes of the upload."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """The error of a job's last attempt. A job that is queued again will be retried."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. `state`: queued, running, done or failed. `result`, once it is done: counts of what was read, skipped, redacted, learnt."""

    id: str
    kind: str
    state: str
    progress: JobProgress
    attempts: int
    created_at: datetime
    result: Mapping[str, object] | None = None
    error: JobError | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Tell whether it is done or failed."""
        return self.state in {"done", "failed"}

    @property
    def sessions(self) -> tuple[str, ...]:
        """Return the ids of the sessions that were read."""
        found = (self.result or {}).get("sessions")
        return tuple(str(each) for each in found) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job in a list, without its result. `developer`: who asked for it; None: the admin key, or Cairn itself."""

    id: str
    kind: str
    state: str
    developer: str | None
    progress: JobProgress
    attempts: int
    created_at: datetime
    error: JobError | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    jobs: tuple[ListedJob, ...]
    next_cursor: str | None = None

    @property
    def items(self) -> tuple[ListedJob, ...]:
        """Return the jobs of this page."""
        return self.jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedWay:
    """A way by which a developer's sessions come: hook, watch, upload or events."""

    way: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A developer and an agent, with the ways by which their sessions come. `silent`: nothing came for 7 days."""

    developer: str | None
    agent: str | None
    ways: tuple[UsedWay, ...]
    sessions: int
    last_event_at: datetime | None
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Captures:
    """The developers whose sessions are captured."""

    captures: tuple[Capture, ...]
