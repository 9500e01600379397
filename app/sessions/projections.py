"""What is derived from sessions, as this room sees it: a registry of projections, and when each has something to do. Does no I/O.

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

from app.sessions.journal import Session

MAX_ATTEMPTS = 5
"""A projection that failed so often on a session, in one version, is parked there until its version changes."""
RETRY_AFTER = timedelta(minutes=1)
"""After the first failure; five times as long after each further one."""
WHOLE_EVENTS_PER_SECOND = 100
MAX_WHOLE_PAUSE = timedelta(minutes=5)
"""A projection that reads the whole session reads a growing one at most so often: its cost an event stays bounded."""

Counts: TypeAlias = Mapping[str, int]


class Overtaken(Exception):
    """Another process brought the projection on with this session first: roll back, read again."""


class Checkpointed(Protocol):
    """Writes the checkpoint in the projection's own transaction, which it keeps the session in place for.

    `seq`: so far only (a long session in parts); without it, all of the session. NotFound when the session was purged meanwhile,
    Overtaken when another process brought the projection on first: the transaction is to be rolled back, so let both pass.
    """

    async def __call__(self, connection: AsyncConnection, seq: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Projected:
    """What a projection did. `mark`: once `drain(mark)` has returned, all of it can be found. `counts`: see `Projection.counted`."""

    mark: int = 0
    counts: Counts = field(default_factory=dict)


class Projection(Protocol):
    """Something derived from each session, and kept up to date.

    `version`: raise it when the same events would be derived otherwise; then every session is projected again, by itself.
    `whole`: it needs the whole session each time; `after` is then always 0, and a growing session is read less often.
    `result_field`: under which field a job's result tells its counts, whose names are `counted`.
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
        """Make what is derived from the events after this seq exactly what they say now; they may have been projected before.

        `after` 0: whatever was derived from the session, in whatever version, is replaced. Nothing above `session.event_count` need
        be read. Call `checkpointed` in each transaction that writes, the last one without `seq`. No transaction spans a model call.
        Unavailable when a part is away; any other exception parks this session.
        """
        ...

    async def unchanged(self, session_id: UUID) -> Counts:
        """Counts for a session that is up to date already."""
        ...

    async def drain(self, mark: int) -> None:
        """Return when everything up to this mark can be found."""
        ...

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Give what was derived in one project to another, in the transaction that merges them, which holds all their sessions."""
        ...

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Take back all that was derived from a session, in the purge's transaction, which holds the session. Returns how much is gone.

        Deadlocks are avoided by one order: the session first, then whatever lock the projection needs, as in `project`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a projection has come with a session. See `tables.Checkpoint`."""

    version: str
    seq: int
    revision: int
    parked: str | None
    attempts: int
    retry_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Current:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Due:
    """Project the events after this seq."""

    after: int


@dataclass(frozen=True, slots=True)
class Later:
    """Not before this time. `parked`: why it failed last, where it did."""

    at: datetime
    parked: str | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """It failed on this session in this version too often."""

    reason: str


Step: TypeAlias = Current | Due | Later | Parked


def next_step(
    projection: Projection, session: Session, checkpoint: Checkpoint | None, *, first_changed: int | None, now: datetime, patient: bool
) -> Step:
    """Decide what a projection has to do for a session.

    `first_changed`: the lowest seq among the events that were changed since the checkpoint. `patient`: nobody waits for the result, so
    a projection that reads whole sessions may let a growing one grow.
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
    if patient and projection.whole and checkpoint.revision > 0:
        at = checkpoint.updated_at + whole_pause(session.event_count)
        if at > now:
            return Later(at)
    return Due(_after(projection, checkpoint, first_changed))


def whole_pause(events: int) -> timedelta:
    """How long a projection that reads the whole session leaves a growing one alone."""
    return min(timedelta(seconds=events // WHOLE_EVENTS_PER_SECOND), MAX_WHOLE_PAUSE)


def retry_after(attempts: int) -> timedelta | None:
    """How long after this many failures a session is tried again; None: not in this version."""
    return None if attempts >= MAX_ATTEMPTS else RETRY_AFTER * 5 ** (attempts - 1)


def _after(projection: Projection, checkpoint: Checkpoint, first_changed: int | None) -> int:
    if projection.whole:
        return 0
    return checkpoint.seq if first_changed is None else min(checkpoint.seq, first_changed - 1)


class Projections:
    """All projections, in the order in which they are registered. ValueError for a name that comes twice."""

    def __init__(self, projections: Iterable[Projection] = ()) -> None:
        self._by_name: dict[str, Projection] = {}
        for each in projections:
            self.register(each)

    def register(self, projection: Projection) -> None:
        if projection.name in self._by_name:
            raise ValueError(f"There is a projection {projection.name!r} already: give this one another name.")
        self._by_name[projection.name] = projection

    def __iter__(self) -> Iterator[Projection]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def versions(self) -> dict[str, str]:
        """Name → version."""
        return {each.name: each.version for each in self}
