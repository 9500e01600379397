"""Rate limiting across servers, in Redis: one atomic script per request. If Redis is down it says so, and no request waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.errors import Unavailable
from app.part import Loop
from app.rate_limits.local import Quota, Unit, Verdict
from app.rate_limits.scripts import REDIS_TIME, TAKE, USE
from app.rate_limits.window import LimitState

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

Got = TypeVar("Got")
PREFIX = "cairn:limits:"
MAX_CONCURRENT = 16
"""Concurrent commands, each on a connection: the client's `max_connections` must allow them."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 2.0
"""Between two probes of a Redis that is down: after the first failure, and at the longest."""
REPORT_DEBOUNCE_SECONDS = 0.05
"""Debounce of usage reports: a key's calls within this time are sent together, in the background."""


class SharedLimits:
    """Counters `cairn:limits:{SUBJECT}:UNIT`, which expire a minute after their last use. `timeout_seconds`: slower counts as down.

    Needs a Redis client of its own, since it sets that client's retry policy.
    """

    def __init__(self, client: Redis, *, timeout_seconds: float) -> None:
        from redis.asyncio.retry import Retry  # imported only if Redis is configured
        from redis.backoff import NoBackoff

        client.set_retry(Retry(NoBackoff(), 1))  # one retry for a lost connection; after that Redis counts as down at once
        self._timeout = timeout_seconds
        self._take = client.register_script(TAKE)
        self._use = client.register_script(USE)
        self._turn = asyncio.Semaphore(MAX_CONCURRENT)
        self._unavailable = asyncio.Event()
        self._unreported: dict[str, int] = {}
        self._reporting: asyncio.Task[None] | None = None

    @property
    def unavailable(self) -> bool:
        return self._unavailable.is_set()

    async def take(self, subject: str, quota: Quota) -> Verdict | None:
        """Check and count one request atomically. None: Redis is down."""
        arguments: list[str | int] = [REDIS_TIME]
        for unit, limit in quota.items():
            arguments += [limit, 1 if unit == "requests" else 0]
        found = await self._guarded(lambda: self._take(keys=[_key(subject, unit) for unit in quota], args=arguments))
        return None if found is None else _verdict(quota, found)

    def use(self, subject: str, unit: Unit, amount: int) -> None:
        """Report usage in the background. Reports are lost while Redis is down."""
        key = _key(subject, unit)
        self._unreported[key] = self._unreported.get(key, 0) + amount
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report(), name="limits used")

    def loops(self) -> tuple[Loop, ...]:
        """Return the probe that sees, while Redis is away, whether it is back."""
        return (
            Loop(
                name="limits.shared",
                step=self._probe,
                pause=PAUSE_SECONDS,
                wake=self._unavailable,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile="Each server counts a key's requests separately.",
            ),
        )

    async def _probe(self) -> None:
        if not self.unavailable:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._use(keys=[f"{PREFIX}probe"], args=[REDIS_TIME, 1])
        except Exception as error:
            raise Unavailable(f"Redis does not answer ({type(error).__name__}).") from error
        self._unavailable.clear()
        log.info("limits.shared_again")

    async def close(self) -> None:
        """Wait briefly for reports in progress."""
        if self._reporting is not None:
            await asyncio.wait([self._reporting], timeout=1)

    async def _report(self) -> None:
        while self._unreported:
            await asyncio.sleep(REPORT_DEBOUNCE_SECONDS)
            used, self._unreported = self._unreported, {}
            for key, amount in used.items():
                await self._report_one(key, amount)

    async def _report_one(self, key: str, amount: int) -> None:
        await self._guarded(lambda: self._use(keys=[key], args=[REDIS_TIME, amount]))

    async def _guarded(self, ask: Callable[[], Awaitable[Got]]) -> Got | None:
        async with self._turn:
            if self.unavailable:
                return None
            try:
                async with asyncio.timeout(self._timeout):
                    return await ask()
            except Exception as error:  # noqa: BLE001 - on any error each server counts for itself
                if not self.unavailable:
                    log.warning("limits.not_shared", reason=type(error).__name__)
                self._unavailable.set()
                return None


def _key(subject: str, unit: Unit) -> str:
    """Return a counter's key; the braces keep a subject's keys in one slot of a Redis cluster."""
    return f"{PREFIX}{{{subject}}}:{unit}"


def _verdict(quota: Quota, found: list[int]) -> Verdict:
    granted, *numbers = map(int, found)
    states = {}
    for place, (unit, limit) in enumerate(quota.items()):
        used, wait_ms, reset_ms = numbers[3 * place : 3 * place + 3]
        states[unit] = LimitState(limit, max(0, limit - used), wait_ms / 1000, reset_ms / 1000)
    return Verdict(bool(granted), states)
