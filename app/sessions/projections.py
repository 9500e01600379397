"""The registry of projections (data derived from sessions), and the rule for when each is due. Does no I/O.

A projection's class lives in the room that owns what it derives, which registers it when it is opened. Everything that changes a session
(an upload, live events, a purge) and every new version of a projection reaches it in the same way, through `catch_up.CatchUp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Unavailable
from app.sessions.session import Session

MAX_ATTEMPTS = 5
"""Failures of a projection on a session before it is parked until its version changes."""
RETRY_AFTER = timedelta(minutes=1)
"""Delay after the first failure; multiplied by five after each further one (exponential backoff)."""
WHOLE_EVENTS_PER_SECOND = 100
MAX_WHOLE_PAUSE = timedelta(minutes=5)
"""Longest pause between runs of a whole-session projection over a growing session; bounds its cost per event."""

Counts: TypeAlias = Mapping[str, int]


class Overtaken(Exception):
    """Another process advanced the projection on this session first: roll back and read again."""


class ProjectionPaused(Unavailable):
    """A deferred projection can't go on with a team's sessions before `until`. What it checkpointed before that is kept.

    `may_recur`: the session itself may be the cause, so that it would meet the same again.
    """

    code = "projection_paused"

    def __init__(self, message: str, *, until: datetime, may_recur: bool = False) -> None:
        super().__init__(message)
        self.until = until
        self.may_recur = may_recur


class Checkpointed(Protocol):
    """Writes the checkpoint in the projection's own transaction, and locks the session against deletion until it ends.

    `seq`: the position reached, for a long session done in parts; None: the session's end. Raises NotFound if the session was purged,
    Overtaken if another process was first: let both propagate, so that the transaction is rolled back.
    """

    async def __call__(self, connection: AsyncConnection, seq: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Projected:
    """Result of a projection's run. All of it is searchable once `drain(mark)` returns. `counts`: see `Projection.counted`."""

    mark: int = 0
    counts: Counts = field(default_factory=dict)


class Projection(Protocol):
    """Data derived from each session and kept up to date.

    `version`: raise it when the same events would give another result; every session is then projected again.
    `whole`: reads the whole session each time; `after` is then always 0, and a growing session is read less often.
    `result_field`: field of a job's result that holds this projection's counts, whose names are `counted`.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def whole(self) -> bool: ...
    @property
    def result_field(self) -> str: ...
    @property
    def counted(self) -> tuple[str, ...]: ...

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Make the derived data match the events after this seq, which may have been projected before.

        `after` 0: replace everything derived from the session, of any version. Ignore events above `session.event_count`. Call
        `checkpointed` in each transaction that writes, the last one without `seq`. No transaction may span a model call.
        Raises Unavailable if a dependency is away; any other exception parks this session.
        """
        ...

    async def unchanged(self, session_id: UUID) -> Counts:
        """Return the counts of a session that is already up to date."""
        ...

    async def drain(self, mark: int) -> None:
        """Wait until everything up to this mark is searchable."""
        ...

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move the data derived in one project to another, in the transaction that merges them and holds all their sessions."""
        ...

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Delete all data derived from a session, in the purge's transaction, which holds the session. Returns how many rows.

        To avoid deadlocks lock the session first, then the projection's own rows, as in `project`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A projection's progress in a session. See `tables.Checkpoint`."""

    version: str
    seq: int
    revision: int
    parked: str | None
    attempts: int
    retry_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Current:
    """The projection is up to date."""


@dataclass(frozen=True, slots=True)
class Due:
    """The projection must process the events after this seq."""

    after: int


@dataclass(frozen=True, slots=True)
class Later:
    """The projection must wait until `at`. `parked`: the reason of its last failure, if it failed."""

    at: datetime
    parked: str | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """The projection failed too often on this session in this version."""

    reason: str


Step: TypeAlias = Current | Due | Later | Parked


def next_step(
    projection: Projection, session: Session, checkpoint: Checkpoint | None, *, first_changed: int | None, now: datetime, background: bool
) -> Step:
    """Decide what a projection has to do for a session.

    `first_changed`: the lowest seq among events changed since the checkpoint. `background`: nobody waits for the result, so a projection
    that reads whole sessions may wait while the session grows.
    """
    if checkpoint is None:
        return Due(0)
    same_version = checkpoint.version == projection.version
    if same_version and checkpoint.parked is not None:
        if checkpoint.retry_at is None:
            return Parked(checkpoint.parked)
        if checkpoint.retry_at > now:
            return Later(checkpoint.retry_at, checkpoint.parked)
        return Due(_after(projection, checkpoint, first_changed))
    if not same_version:
        return Due(0)
    if checkpoint.seq >= session.event_count and checkpoint.revision >= session.revision:
        return Current()
    if background and projection.whole and checkpoint.revision > 0:
        at = checkpoint.updated_at + whole_pause(session.event_count)
        if at > now:
            return Later(at)
    return Due(_after(projection, checkpoint, first_changed))


def whole_pause(events: int) -> timedelta:
    """Return the pause between runs of a whole-session projection over a growing session."""
    return min(timedelta(seconds=events // WHOLE_EVENTS_PER_SECOND), MAX_WHOLE_PAUSE)


def retry_after(attempts: int) -> timedelta | None:
    """Return the delay before the next attempt after this many failures; None: no retry in this version."""
    return None if attempts >= MAX_ATTEMPTS else RETRY_AFTER * 5 ** (attempts - 1)


def _after(projection: Projection, checkpoint: Checkpoint, first_changed: int | None) -> int:
    if projection.whole:
        return 0
    return checkpoint.seq if first_changed is None else min(checkpoint.seq, first_changed - 1)


class Projections:
    """The registry, in order of registration. Raises ValueError for a duplicate name.

    `deferred`: projections by name that wait for a session's end, and for which nobody waits (`deferred.DeferredRuns`). All else leaves
    them out: a purge or a merge of projects must reach what they derive without them.
    """

    def __init__(self, projections: Iterable[Projection] = ()) -> None:
        self._by_name: dict[str, Projection] = {}
        self.deferred: dict[str, Projection] = {}
        for each in projections:
            self.register(each)

    def register(self, projection: Projection, *, deferred: bool = False) -> None:
        """Add a projection."""
        if projection.name in self._by_name.keys() | self.deferred.keys():
            raise ValueError(f"There is a projection {projection.name!r} already: give this one another name.")
        (self.deferred if deferred else self._by_name)[projection.name] = projection

    def __iter__(self) -> Iterator[Projection]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def versions(self) -> dict[str, str]:
        """Return the projections' versions, by name."""
        return {each.name: each.version for each in self}

    @property
    def all_versions(self) -> dict[str, str]:
        """Return the versions of all projections, deferred ones too, by name."""
        return self.versions | {name: each.version for name, each in self.deferred.items()}
