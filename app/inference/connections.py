"""Limit the calls to one provider to its connections. Waiting for a free one isn't waiting for the provider: nothing is held or sent."""

from __future__ import annotations

import asyncio

from app.inference import provider_errors
from app.inference.attempts import ProviderAttempt


class ConnectionLimit:
    """One provider's limit of calls under way."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._free = asyncio.Semaphore(connections)

    async def take(self, attempt: ProviderAttempt, *, until: float) -> ProviderConnection:
        """Take a free connection. Raises ProviderError if there is none by `until` (loop's clock), or the provider turns out silent."""
        try:
            async with attempt.waiting(until):
                await self._free.acquire()
        except TimeoutError:
            raise provider_errors.busy(self._connections) from None
        return ProviderConnection(self._free)


class ProviderConnection:
    """A taken connection. Release it once; later releases are ignored."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free

    def release(self) -> None:
        free, self._free = self._free, None
        if free is not None:
            free.release()

    def __enter__(self) -> ProviderConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
