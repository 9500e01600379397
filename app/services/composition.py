"""Opens rooms one after another and keeps their parts: the one place through which whatever a room adds takes effect.

It reads of a room only its `Part`. What is opened last is closed first: a room's loops end, then the room, then what it was built on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from app.part import Cache, JobHandler, Opened, Part
from app.supervision import Supervisor

T = TypeVar("T")


class Composition:
    """`parts` grows while rooms are opened: who holds it sees those that come later too. Their loops begin together, once all are open."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._parts: list[Part] = []
        self.supervisor = Supervisor(start_paused=True)

    @property
    def parts(self) -> Sequence[Part]:
        return self._parts

    async def open(self, room: AbstractAsyncContextManager[Opened[T]]) -> T:
        """Open a room for the length of the composition, and add its part. Returns the room's live objects."""
        made, part = await self._stack.enter_async_context(room)
        await self.add(part)
        return made

    async def add(self, part: Part) -> None:
        """Take a part up, with its loops, which end before what was opened until now closes.

        ValueError where something in it has the name of something that is there already.
        """
        self._parts.append(part)
        _check_names(self._parts)
        await self._stack.enter_async_context(self.supervisor.run_loops(part.loops))

    def begin(self) -> None:
        """Let the loops go, once every room is open: one may use what was opened after its room, as the backfill does the projections."""
        self.supervisor.begin()


@asynccontextmanager
async def composed() -> AsyncIterator[Composition]:
    """Begin a composition without rooms. At its end everything is closed in reverse."""
    async with AsyncExitStack() as stack:
        composition = Composition(stack)
        await composition.add(composition.supervisor.part())
        yield composition


def jobs_of(parts: Sequence[Part]) -> dict[str, JobHandler]:
    """Collect every kind of job, with its handler."""
    return {kind: handler for part in parts for kind, handler in part.jobs.items()}


def caches_of(parts: Sequence[Part]) -> Mapping[str, Cache]:
    """Collect every cache by its name."""
    return {cache.name: cache for part in parts for cache in part.caches}


def _check_names(parts: Sequence[Part]) -> None:
    named = {
        "part": [part.name for part in parts],
        "kind of job": [kind for part in parts for kind in part.jobs],
        "readiness check": [check.name for part in parts for check in part.ready],
        "cache": [cache.name for part in parts for cache in part.caches],
        "purge": [each.name for part in parts for each in part.forgets],
    }
    for what, names in named.items():
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"Two parts register a {what} named {min(twice)!r}: give one of them another name.")
