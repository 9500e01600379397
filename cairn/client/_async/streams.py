"""A stream that is iterated over, and closed when it is done with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class AsyncStream(Generic[T]):
    """Updates that come over one connection, one by one. Leave it early by `async with`, or by `close`: that ends the connection."""

    def __init__(self, items: AsyncGenerator[T]) -> None:
        self._items = items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self._items.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream and its connection."""
        await self._items.aclose()
