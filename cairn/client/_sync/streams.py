# Written from cairn/client/_async/streams.py by `python -m tests.sync_client`: change that one.
"""A stream that is iterated over, and closed when it is done with."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """Updates that come over one connection, one by one. Leave it early by `with`, or by `close`: that ends the connection."""

    def __init__(self, items: Generator[T]) -> None:
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self._items.__next__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the stream and its connection."""
        self._items.close()
