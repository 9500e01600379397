"""Runs what a process repeats for ever: a task for each loop, with backoff, failures logged and reported at `/readyz` and `/metrics`.

A loop never ends by a failure: money that isn't settled, or an index that isn't fed, must be tried again for as long as the process lives.
Knows no room: what is repeated is a `Loop` (`app/part.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog

from app.errors import CairnError, Unavailable
from app.part import OK, Condition, Loop, Part, ReadinessCheck
from app.telemetry import loops as measures

log = structlog.get_logger()

MAX_FAILURES = 5
"""After so many failures in a row a loop is reported as degraded. It is tried on all the same."""
MIN_BACKOFF_SECONDS = 0.1
STABLE_SECONDS = 10.0
"""A long-running step that has gone on for so long counts as recovered: a connection that can't be made fails earlier."""
JITTER = 0.5
"""A backoff is shortened by up to this share: the loops of several processes don't come back in step."""


@dataclass(slots=True)
class LoopHealth:
    """The health of one loop. `failures`: in a row. `logged_traceback_for`: the reason whose traceback was logged last."""

    loop: Loop
    failures: int = 0
    reason: str = ""
    logged_traceback_for: str = field(default="", repr=False)

    @property
    def degraded(self) -> bool:
        return self.failures >= MAX_FAILURES

    def failed(self, error: BaseException) -> float:
        """Record a failed round; return the backoff in seconds. Logs the first in a row, each new reason, and the one that degrades."""
        self.failures += 1
        before, self.reason = self.reason, _reason(error)
        measures.failed(self.loop.name)
        delay = self._backoff()
        fields = {"loop": self.loop.name, "failures": self.failures, "retry_in": round(delay, 1), "reason": type(error).__name__}
        if isinstance(error, CairnError):
            fields["code"] = error.code
        if not _expected(error) and self.logged_traceback_for != self.reason:
            self.logged_traceback_for = self.reason
            log.error("loop.failed", **fields, exc_info=error)
        elif self.failures in {1, MAX_FAILURES} or before != self.reason:
            log.warning("loop.failed", **fields)
        return delay

    def succeeded(self) -> None:
        """Record a round that did its work."""
        if self.failures:
            log.info("loop.recovered", loop=self.loop.name, failures=self.failures)
            measures.recovered(self.loop.name)
        self.failures, self.reason, self.logged_traceback_for = 0, "", ""

    def describe(self) -> str:
        """Return the operator's message: what fails, what doesn't happen meanwhile, and what to do."""
        words = [f"{self.loop.name} failed {self.failures} times in a row ({self.reason})."]
        if self.loop.meanwhile:
            words.append(self.loop.meanwhile)
        seconds = f"{self.loop.max_backoff_seconds:g}"
        return " ".join(
            [*words, f"It is tried again by itself, every {seconds} s at the latest; `loop.failed` in the server's log says why."]
        )

    def _backoff(self) -> float:
        """Return the next pause in seconds: exponential backoff with jitter, starting at the loop's own pause."""
        longest = self.loop.max_backoff_seconds
        first = min(max(self.loop.pause_seconds, MIN_BACKOFF_SECONDS), longest)
        full = min(first * 2.0 ** min(self.failures - 1, 30), longest)
        return full * (1 - JITTER * random.random())  # noqa: S311 - no secret


class Supervisor:
    """Runs the loops of one process, and knows the health of each. `start_paused`: no loop runs before `begin()`."""

    def __init__(self, *, start_paused: bool = False) -> None:
        self._running: dict[str, LoopHealth] = {}
        self._begun = asyncio.Event()
        if not start_paused:
            self.begin()

    def begin(self) -> None:
        """Let the loops begin their first rounds."""
        self._begun.set()

    @asynccontextmanager
    async def run_loops(self, loops: Iterable[Loop]) -> AsyncIterator[None]:
        """Start loops in order, for the length of the context; then stop them in reverse, each before the next.

        ValueError for a name that runs already.
        """
        async with AsyncExitStack() as stack:
            for loop in loops:
                await stack.enter_async_context(self._run_loop(loop))
            yield

    @property
    def degraded(self) -> list[LoopHealth]:
        return [each for each in self._running.values() if each.degraded]

    def part(self) -> Part:
        """Return the supervisor's own part: the line `loops` of `/readyz`."""
        return Part(name="loops", ready=[ReadinessCheck("loops", self._condition)])

    async def _condition(self) -> Condition:
        failing = self.degraded
        return Condition("degraded", " ".join(each.describe() for each in failing)) if failing else OK

    @asynccontextmanager
    async def _run_loop(self, loop: Loop) -> AsyncIterator[None]:
        if loop.name in self._running:
            raise ValueError(f"There is a loop {loop.name!r} already: give this one another name.")
        health = self._running[loop.name] = LoopHealth(loop)
        try:
            async with background_task(_repeat(health, self._begun), name=loop.name):
                yield
        finally:
            del self._running[loop.name]
            measures.stopped(loop.name)


async def run(*loops: Loop) -> None:
    """Run loops until cancelled, under a supervisor of their own: for a test or a measurement that opens one room alone."""
    async with Supervisor().run_loops(loops):
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def background_task(work: Coroutine[object, object, object], *, name: str) -> AsyncIterator[None]:
    """Run a task for the length of the context; then cancel it and wait for its end. Raises what it raised."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # unlike `await task`, a cancellation of ours isn't taken for its own
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _repeat(health: LoopHealth, begun: asyncio.Event) -> None:
    """Repeat a loop's step for ever."""
    loop = health.loop
    await begun.wait()
    measures.started(loop.name)
    if not loop.at_once:
        await asyncio.sleep(loop.pause_seconds)
    while True:
        try:
            if loop.wake is not None and not health.failures:
                await loop.wake.wait()
                await asyncio.sleep(loop.pause_seconds)
            await _round(health)
        except asyncio.CancelledError as error:
            if cancelled():
                raise
            delay = health.failed(error)  # the step's own: nobody cancelled us
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on; `failed` logs it
            delay = health.failed(error)
        else:
            health.succeeded()
            delay = loop.pause_seconds if loop.wake is None else 0.0
        if cancelled():
            raise asyncio.CancelledError
        await asyncio.sleep(delay)


async def _round(health: LoopHealth) -> None:
    if not health.loop.long_running:
        await health.loop.step()
        return
    stable = asyncio.get_running_loop().call_later(STABLE_SECONDS, health.succeeded)
    try:
        await health.loop.step()
    finally:
        stable.cancel()
    raise Unavailable("its connection was lost")


def cancelled() -> bool:
    """Tell whether this task was cancelled, also where nothing was raised.

    Python 3.11's `wait_for`, which redis-py sends with, loses a cancellation that comes together with what it waits for.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _expected(error: BaseException) -> bool:
    """Tell whether an error is an unavailable dependency, no fault of the code: it is logged in a line, without a traceback."""
    return isinstance(error, CairnError | TimeoutError | OSError)


def _reason(error: BaseException) -> str:
    """Describe a failure for unauthenticated readers of `/readyz`: our own message, or only the error's type.

    A foreign message may quote its input.
    """
    return error.message.rstrip(".") if isinstance(error, CairnError) else type(error).__name__
