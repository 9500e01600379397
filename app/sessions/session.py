"""The records of a session: whole, as a citation shows it, its end, what it does now, and the filter that lists sessions. Does no I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.sessions.event import Event, Outcome

FACTS = ("directory", "repository", "branch", "commit", "agent_version", "model")
"""Facts that a header gives about a session, besides title and time."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session. `developer_id`: its first ingester, who may delete it. `event_count`: the last seq. `revision`: raised by every change.

    `redactions`: secrets removed, by kind.
    """

    id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
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
    file_dated_at: datetime | None
    event_count: int
    revision: int
    redactions: dict[str, int]
    created_at: datetime
    updated_at: datetime

    def is_by(self, developer_id: UUID | None) -> bool:
        """Tell whether this developer sent it first. None, the admin key: those that it sent, or whose sender is gone."""
        return self.developer_id == developer_id

    @property
    def at(self) -> datetime | None:
        """Return the session's time: by its records, heading, file's name or modification time, never by upload time. None if unknown."""
        return self.ended_at or self.started_at or self.file_dated_at

    @property
    def began_at(self) -> datetime | None:
        """Return the start time, from the same sources; unlike `at`, it doesn't move while the session grows."""
        return self.started_at or self.file_dated_at or self.ended_at


@dataclass(frozen=True, slots=True)
class CitedSession:
    """The fields of a session that a citation shows, and its project."""

    id: UUID
    project_id: UUID
    transcript: str
    title: str | None
    branch: str | None
    commit: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The end of a session, of its main agent. `asked`, `said`: its last prompt and reply; None: there is none in its end, or not for you.

    `failed`: its last tool call, if that failed and none of the sessions read that came later ran the same with success in
    its end.
    """

    session: Session
    asked: Event | None
    said: Event | None
    failed: Event | None


@dataclass(frozen=True, slots=True)
class LastCall:
    """The latest call of a tool. `outcome` None: its result isn't known yet."""

    tool: str
    input: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Activity:
    """The latest of a session. `prompt`: the last one that a person typed, cut. `files`: of the latest tool calls, the last first."""

    prompt: str | None = None
    call: LastCall | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions on the sessions to list. `provider`: the agent that wrote the transcript. `title_words`: words that must all occur
    in the title, the file's name or the branch, unless the session is one of `about`. `since`, `until`: start time, half-open; a session
    without any time matches no period. `sent_by`: the developer who sent it first; "admin": with the admin key, or by one who is gone.
    `oldest_first`: the order is reversed.
    """

    project_id: UUID | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    title_words: str = ""
    about: Collection[UUID] = ()
    sent_by: UUID | Literal["admin"] | None = None
    oldest_first: bool = False
