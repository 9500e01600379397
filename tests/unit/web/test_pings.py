"""A stream's pings: in its silences only, and neither an error nor a leaving reader is lost behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.web.disconnects import with_pings

PING = b"ping"
FOREVER, SOON = 3600.0, 0.001


class Source:
    """Yields what it is given, waiting at each None for `go`; `closed` once it has ended, however it did."""

    def __init__(self, *items: bytes | None, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.closed = False
        self._items, self._error = items, error

    async def events(self) -> AsyncGenerator[bytes]:
        try:
            for each in self._items:
                if each is None:
                    await self.go.wait()
                    continue
                yield each
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


async def test_a_stream_without_silences_has_no_pings() -> None:
    source = Source(b"a", b"b", b"c")
    assert [each async for each in with_pings(source.events(), PING, seconds=FOREVER)] == [b"a", b"b", b"c"]
    assert source.closed


async def test_a_silence_is_filled_with_pings() -> None:
    source = Source(b"a", None, b"b")
    found = []
    async for each in with_pings(source.events(), PING, seconds=SOON):
        found.append(each)
        if found.count(PING) == 3:
            source.go.set()
    assert found[:4] == [b"a", PING, PING, PING]
    assert [each for each in found if each != PING] == [b"a", b"b"]


async def test_an_error_comes_after_what_was_said_before_it() -> None:
    source, found = Source(b"a", error=ValueError("broke")), []
    with pytest.raises(ValueError, match="broke"):
        async for each in with_pings(source.events(), PING, seconds=FOREVER):
            found.append(each)
    assert (found, source.closed) == ([b"a"], True)


async def test_a_reader_who_leaves_closes_the_stream() -> None:
    source = Source(b"a", b"b", b"c")
    events = with_pings(source.events(), PING, seconds=FOREVER)
    assert await anext(events) == b"a"
    await events.aclose()
    assert source.closed


async def test_a_reader_who_is_cancelled_in_a_silence_closes_the_stream() -> None:
    source = Source(None)
    reading = asyncio.create_task(anext(with_pings(source.events(), PING, seconds=FOREVER)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert source.closed
