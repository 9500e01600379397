"""Share breaker state between server processes over Redis: an opened breaker opens everywhere, and one process at a time probes.

Best effort: each process's own breakers decide, also while Redis is down. No request waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import redis.exceptions

from app.errors import Unavailable
from app.inference.breaker import CircuitBreaker, What
from app.part import Loop
from app.storage.redis import readable

if TYPE_CHECKING:
    from redis.asyncio import Redis

PERIOD_SECONDS, MAX_PAUSE_SECONDS = 0.5, 2.0
"""Between two exchanges; and at the longest while Redis is away."""
LEASE_SECONDS = 5.0
"""Lease of the right to probe; expires in case its holder has no request to probe with."""
MIN_SHARED_SECONDS = 1.0
CLOSED_SECONDS = 30.0
RATE, FAILING = "rate", "failing"
STATE, LIMITED, PROBE = "cairn:breaker:state:", "cairn:breaker:limited:", "cairn:breaker:probe:"


class BreakerSync:
    """Publishes breaker changes to Redis and applies those of others, in a loop."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._id = uuid4().hex
        self._changed: set[tuple[str, What]] = set()
        self._away = False

    def changed(self, breaker: CircuitBreaker, what: What) -> None:
        self._changed.add((breaker.name, what))

    def loops(self, breakers: Mapping[str, CircuitBreaker]) -> tuple[Loop, ...]:
        """Return the exchange with the other servers."""
        return (
            Loop(
                name="inference.breakers",
                step=partial(self._meet, breakers),
                pause=PERIOD_SECONDS,
                at_once=False,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile="Each server detects failing providers separately.",
            ),
        )

    async def _meet(self, breakers: Mapping[str, CircuitBreaker]) -> None:
        """Exchange states, after an outage with all that is open here: Redis may have come back empty. Raises Unavailable."""
        if self._away:
            self._changed |= {(name, "state") for name, breaker in breakers.items() if breaker.state == "open"}
        try:
            await self.exchange(breakers)
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            self._away = True
            raise Unavailable(f"Redis does not answer ({type(error).__name__}): check that it runs, and redis.url.") from error
        self._away = False

    async def exchange(self, breakers: Mapping[str, CircuitBreaker]) -> None:
        """Publish local changes, then apply what the other processes published."""
        for name, what in sorted(self._changed):
            await (self._publish_state if what == "state" else self._publish_limit)(breakers[name])
            self._changed.discard((name, what))
        names = sorted(breakers)
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.get(STATE + name)
                pipeline.pttl(STATE + name)
                pipeline.get(LIMITED + name)
                pipeline.pttl(LIMITED + name)
            found = await pipeline.execute(raise_on_error=False)
        for place, name in enumerate(names):
            state, state_left, why, limited_left = found[4 * place : 4 * place + 4]
            state, why = readable(state), readable(why)
            if why is not None:
                _hold_off(breakers[name], max(0, int(limited_left)) / 1000, rate_limited=_text(why) == RATE)
            await self._apply_state(breakers[name], None if state is None else _text(state), max(0, int(state_left)) / 1000)

    async def _publish_state(self, breaker: CircuitBreaker) -> None:
        """Publish an open breaker with its remaining time, or a closed one as long as others may still hold it open; ignore half-open."""
        if breaker.state == "open":
            await self._client.set(STATE + breaker.name, "open", px=max(1, int(breaker.seconds_left * 1000)))
            await self._client.delete(PROBE + breaker.name)
        elif breaker.state == "closed":
            await self._client.set(STATE + breaker.name, "closed", px=int(CLOSED_SECONDS * 1000))
            await self._client.delete(PROBE + breaker.name)

    async def _publish_limit(self, breaker: CircuitBreaker) -> None:
        if breaker.limited_seconds >= MIN_SHARED_SECONDS:
            why = RATE if breaker.rate_limited else FAILING
            await self._client.set(LIMITED + breaker.name, why, px=int(breaker.limited_seconds * 1000))

    async def _apply_state(self, breaker: CircuitBreaker, state: str | None, seconds: float) -> None:
        if state == "open" and breaker.state == "closed":
            breaker.open_until(seconds)
        elif state == "closed" and breaker.state == "open":
            breaker.close_at_once()
        elif breaker.state == "open" and breaker.seconds_left <= 2 * PERIOD_SECONDS and not await self._may_probe(breaker):
            breaker.wait(4 * PERIOD_SECONDS)

    async def _may_probe(self, breaker: CircuitBreaker) -> bool:
        """Tell whether this process holds, or just got, the lease for the next probe."""
        key = PROBE + breaker.name
        if await self._client.set(key, self._id, nx=True, px=int(LEASE_SECONDS * 1000)):
            return True
        holder = await self._client.get(key)
        return holder is not None and _text(holder) == self._id


def _hold_off(breaker: CircuitBreaker, seconds: float, *, rate_limited: bool) -> None:
    if seconds > breaker.limited_seconds + MIN_SHARED_SECONDS:
        breaker.hold_off(seconds, rate_limited=rate_limited)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
