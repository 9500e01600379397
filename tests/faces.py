"""The client's two faces as one, for tests that hold for both: the synchronous one on a thread, since the server shares the test's loop."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from cairn.client import AsyncClient, Client

FaceName = Literal["sync", "async"]


class Face:
    """A client of either kind. `do` calls a method by its name; what can be iterated over comes back as a list."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def do(self, name: str, /, *given: Any, **named: Any) -> Any:
        return await self.of(self.client, name, *given, **named)

    async def of(self, target: Any, name: str, /, *given: Any, **named: Any) -> Any:
        """Call a method of something that a client returned."""
        method = functools.reduce(getattr, name.split("."), target)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(_called, method, *given, **named)
        found = method(*given, **named)
        if inspect.isawaitable(found):
            return await found
        return [each async for each in found] if isinstance(found, AsyncIterator) else found


def _called(method: Any, *given: Any, **named: Any) -> Any:
    found = method(*given, **named)
    return list(found) if isinstance(found, Iterator) else found


@asynccontextmanager
async def open_face(name: FaceName, url: str, key: str, **options: Any) -> AsyncIterator[Face]:
    """Yield one of the two faces, and close it."""
    if name == "async":
        async with AsyncClient(url, key, **options) as client:
            yield Face(client)
    else:
        with Client(url, key, **options) as blocking:
            yield Face(blocking)
