"""The same count for all servers, in Redis: one step and one round trip for each request. Away, it says so, and no request waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.errors import Unavailable
from app.limits.own import Quota, Unit, Verdict
from app.limits.scripts import REDIS_TIME, TAKE, USE
from app.limits.window import Standing
from app.part import Loop

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

Got = TypeVar("Got")
PREFIX = "cairn:limits:"
AT_ONCE = 16
"""Commands under way, each on a connection: the client's `max_connections` must allow them."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 2.0
"""Between two tries to reach a Redis that is away: after the first failure, and at the longest."""
GATHERED_SECONDS = 0.05
"""What calls used is told so often, a key's calls together: nobody waits for it."""


class Shared:
    """Keys `cairn:limits:{SUBJECT}:UNIT`, gone a minute after they were last used. `timeout_seconds`: slower is away.

    The client is its own: how often it tries again is set here.
    """

    def __init__(self, client: Redis, *, timeout_seconds: float) -> None:
        from redis.asyncio.retry import Retry  # only where there is a Redis
        from redis.backoff import NoBackoff

        client.set_retry(Retry(NoBackoff(), 1))  # for a connection that was lost; beyond that Redis is away, and known to be at once
        self._timeout = timeout_seconds
        self._take = client.register_script(TAKE)
        self._use = client.register_script(USE)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._away = asyncio.Event()
        self._untold: dict[str, int] = {}
        self._telling: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        return self._away.is_set()

    async def take(self, subject: str, quota: Quota) -> Verdict | None:
        """One request, where every limit has room; in one step, whoever asks at once. None: Redis is away."""
        arguments: list[str | int] = [REDIS_TIME]
        for unit, limit in quota.items():
            arguments += [limit, 1 if unit == "requests" else 0]
        found = await self._asked(lambda: self._take(keys=[_key(subject, unit) for unit in quota], args=arguments))
        return None if found is None else _verdict(quota, found)

    def use(self, subject: str, unit: Unit, amount: int) -> None:
        """Told behind the answer. What Redis doesn't hear of in time it never hears of."""
        key = _key(subject, unit)
        self._untold[key] = self._untold.get(key, 0) + amount
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="limits used")

    def loops(self) -> tuple[Loop, ...]:
        """Return the probe that sees, while Redis is away, whether it is back."""
        return (
            Loop(
                name="limits.shared",
                step=self._probe,
                pause=PAUSE_SECONDS,
                wake=self._away,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile="Each server counts a key's requests for itself.",
            ),
        )

    async def _probe(self) -> None:
        if not self.away:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._use(keys=[f"{PREFIX}probe"], args=[REDIS_TIME, 1])
        except Exception as error:
            raise Unavailable(f"Redis does not answer ({type(error).__name__}).") from error
        self._away.clear()
        log.info("limits.shared_again")

    async def close(self) -> None:
        """What was used may still be told."""
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=1)

    async def _tell(self) -> None:
        while self._untold:
            await asyncio.sleep(GATHERED_SECONDS)
            used, self._untold = self._untold, {}
            for key, amount in used.items():
                await self._told(key, amount)

    async def _told(self, key: str, amount: int) -> None:
        await self._asked(lambda: self._use(keys=[key], args=[REDIS_TIME, amount]))

    async def _asked(self, ask: Callable[[], Awaitable[Got]]) -> Got | None:
        async with self._turn:
            if self.away:
                return None
            try:
                async with asyncio.timeout(self._timeout):
                    return await ask()
            except Exception as error:  # noqa: BLE001 - whatever it is: each server counts for itself then
                if not self.away:
                    log.warning("limits.not_shared", reason=type(error).__name__)
                self._away.set()
                return None


def _key(subject: str, unit: Unit) -> str:
    """The braces keep a subject's keys on one node of a cluster."""
    return f"{PREFIX}{{{subject}}}:{unit}"


def _verdict(quota: Quota, found: list[int]) -> Verdict:
    granted, *numbers = map(int, found)
    standings = {}
    for place, (unit, limit) in enumerate(quota.items()):
        used, wait_ms, reset_ms = numbers[3 * place : 3 * place + 3]
        standings[unit] = Standing(limit, max(0, limit - used), wait_ms / 1000, reset_ms / 1000)
    return Verdict(bool(granted), standings)
