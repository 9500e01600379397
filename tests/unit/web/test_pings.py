"""A stream's pings: in its silences only, never before its first event or after its last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.errors import AllProvidersFailed
from app.web.event_streams import NamedFeed

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


class Client:
    """Receives a feed as a server sends it. `leaves`: set to hang up; `free`: after so many pings the source goes on."""

    def __init__(self, source: Source, *, seconds: float, free: int = 10**9) -> None:
        self.leaves = asyncio.Event()
        self.got: list[bytes] = []
        self._source, self._seconds, self._free = source, seconds, free

    async def read(self) -> None:
        async def unread() -> None:
            raise AssertionError("it was begun")

        feed = NamedFeed(self._source.events(), {}, unread=unread, ping=PING, ping_seconds=self._seconds)
        await feed({"type": "http"}, self._receive, self._send)

    async def _receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.got.append(message["body"])
            assert message["more_body"] or not message["body"] or message["body"].startswith(b"event: error")
        if self.got.count(PING) == self._free:
            self._source.go.set()
        await asyncio.sleep(0)


async def test_a_stream_without_silences_has_no_pings() -> None:
    source = Source(b"a", b"b", b"c")
    client = Client(source, seconds=FOREVER)
    await client.read()
    assert client.got == [b"a", b"b", b"c", b""]
    assert source.closed


async def test_a_silence_is_filled_with_pings() -> None:
    client = Client(Source(b"a", None, b"b"), seconds=SOON, free=3)
    await client.read()
    assert client.got[:4] == [b"a", PING, PING, PING]
    assert [each for each in client.got if each != PING] == [b"a", b"b", b""]
    assert client.got[-1] == b""


async def test_no_ping_comes_before_the_first_event() -> None:
    source = Source(None, b"a")
    client = Client(source, seconds=SOON)
    reading = asyncio.create_task(client.read())
    await asyncio.sleep(20 * SOON)
    source.go.set()
    await reading
    assert client.got[0] == b"a"


async def test_an_error_is_the_last_event_and_has_a_name() -> None:
    client = Client(Source(b"a", error=AllProvidersFailed("It broke.")), seconds=FOREVER)
    await client.read()
    first, last = client.got
    name, data = last.decode().split("\n\n")[0].split("\n")
    assert (first, name) == (b"a", "event: error")
    assert json.loads(data.removeprefix("data: "))["error"]["message"] == "It broke."


async def test_a_reader_who_leaves_in_a_silence_closes_the_stream() -> None:
    source = Source(b"a", None)
    client = Client(source, seconds=FOREVER)
    reading = asyncio.create_task(client.read())
    while not client.got:
        await asyncio.sleep(0)
    client.leaves.set()
    with pytest.raises(ClientDisconnect):
        await reading
    assert source.closed
