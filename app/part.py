"""The record that a room hands to the composition: plain callables. Imports no room, so every room can import it.

A room's factory is an async context manager: it opens the room's objects, yields them together with a `Part`, and closes them at the end.
The composition root (`app/services/opening.py`) lists the factories in order and reads nothing of a room but its part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

Role = Literal["serve", "worker"]
State = Literal["ok", "degraded", "down"]

MAX_BACKOFF_SECONDS = 30.0
"""The longest pause before a failed loop is tried again, where the loop names no other."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of a dependency, and the reason in a sentence for the operator. `down`: nothing works without it."""

    state: State = "ok"
    reason: str | None = None


OK = Condition()


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One line of `/readyz`, under `name`. An Unavailable that `ask` raises is reported as degraded."""

    name: str
    ask: Callable[[], Awaitable[Condition]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Work that a process repeats for as long as its part is open. `app/supervision.py` runs it.

    step          One round. What it raises is a failure: the round is repeated after a backoff, however often.
    pause         Seconds between two rounds, or a function that says how many; also before a failed round is repeated the first time.
    wake          Where given, a round begins once this is set, and the pause after it: what comes meanwhile joins it. The step clears it.
    at_once       Whether the first round begins without a pause.
    long_running  The step ends only by failing, as one that listens to a connection: its return is a failure.
    meanwhile     What doesn't happen while it fails: a sentence, shown at `/readyz`.
    """

    name: str
    step: Callable[[], Awaitable[object]]
    pause: float | Callable[[], float]
    wake: asyncio.Event | None = None
    at_once: bool = True
    long_running: bool = False
    max_backoff_seconds: float = MAX_BACKOFF_SECONDS
    meanwhile: str = ""

    @property
    def pause_seconds(self) -> float:
        return self.pause() if callable(self.pause) else self.pause


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A step of what a worker does every ten minutes, one room after another: delete what is too old, recompute what ages.

    name      Of the count in the log's `maintenance.done`; parts that share a name are added up.
    step      Returns how much it did. It is repeated while it returns more than 0, where `batched`, until the next maintenance is due.
    """

    name: str
    step: Callable[[], Awaitable[int]]
    batched: bool = False


class Cache(Protocol):
    """A cache as the composition sees it: its figures, and how it is emptied."""

    name: str
    saved_nanousd: int
    saved_seconds: float

    def figures(self) -> Mapping[str, Mapping[str, int]]:
        """Return what each tier has done for this process; `memory` is among them."""
        ...

    async def clear(self) -> int:
        """Empty it in all tiers, on all servers. Returns how many entries the memory here had."""
        ...


Levels: TypeAlias = Mapping[str, Mapping[tuple[str, ...], float]]
"""Series of the roll-ups → labels → value now."""
JobHandler: TypeAlias = Callable[..., Awaitable[Any]]
"""`queue.worker.Handler`, which this floor can't name."""


@dataclass(frozen=True, slots=True)
class Forget:
    """A step of a purge beside the projections: `forget(connection, session)` runs in its transaction and returns how much is gone."""

    name: str
    forget: Callable[..., Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A room's additions to the process that it is open in. Everything is optional.

    jobs         Kind → handler, run by workers.
    loops        Begin once all parts are open; end in reverse, before the part, and what was opened before it, closes.
    ready        Lines of `/readyz`.
    gauges       Each sets its metrics, called when `/metrics` is read. One that raises Unavailable ends the part's round.
    levels       Looked at before each write of the roll-ups.
    samples      Series of the roll-ups → value now, looked at four times a second: for what is full for a moment only.
    caches       Shown, measured and emptied by name.
    maintenance  What a worker does every ten minutes.
    forgets      What a purge of a session deletes of this room that no projection derived.
    """

    name: str
    jobs: Mapping[str, JobHandler] = field(default_factory=dict)
    loops: Sequence[Loop] = ()
    ready: Sequence[ReadinessCheck] = ()
    gauges: Sequence[Callable[[], Awaitable[None]]] = ()
    levels: Sequence[Callable[[], Awaitable[Levels]]] = ()
    samples: Mapping[str, Callable[[], float]] = field(default_factory=dict)
    caches: Sequence[Cache] = ()
    maintenance: Sequence[Maintenance] = ()
    forgets: Sequence[Forget] = ()


Opened: TypeAlias = tuple[T, Part]
"""A room's live objects, for those who use them, and its part, for the composition."""
