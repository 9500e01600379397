"""Who calls in a measurement: kept-alive connections that cost little beside what they measure; and a tap that sees a provider's chunks.

Knows HTTP and when its bytes came; knows no figure and no target.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

CHUNK = b'"content":'
"""Once in each chunk of a fake provider's stream that holds a token, and in the one before them."""
READ_BYTES = 2**16
LEAVE_SECONDS = 5.0


@dataclass(slots=True)
class Reply:
    """`seconds`: from the first byte out to the last one in. `chunks`: when each came, by `time.perf_counter`."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    chunks: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time. A reply that can't be read, or that breaks off, is an error of whoever waits for it."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        split = urlsplit(url)
        assert split.hostname is not None
        assert split.port is not None
        self._address = split.hostname, split.port
        self.chunk = CHUNK
        """What marks a chunk of the streams that it reads."""
        self._headers = {"host": split.netloc, "content-type": "application/json", **headers}
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()
        self._pieces: list[bytes] = []
        self._done: asyncio.Future[None] | None = None

    async def open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, *self._address)

    async def get(self, path: str) -> Reply:
        return await self._exchange("GET", path, b"")

    async def post(self, path: str, body: bytes) -> Reply:
        return await self._exchange("POST", path, body)

    async def _exchange(self, method: str, path: str, body: bytes) -> Reply:
        assert self._transport is not None
        if self._transport.is_closing():
            raise ConnectionError("the server closed the connection: it was idle for too long")
        self._reply, self._pieces, self._done = Reply(), [], asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self._headers.items()),
            f"content-length: {len(body)}",
        ]
        began = time.perf_counter()
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self._done
        reply = self._reply
        reply.seconds = time.perf_counter() - began
        reply.body = b"".join(self._pieces)
        return reply

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's isn't derived from it

    def data_received(self, data: bytes) -> None:
        self._reply.chunks += [time.perf_counter()] * data.count(self.chunk)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


@asynccontextmanager
async def connected(url: str, count: int, headers: Mapping[str, str] | None = None) -> AsyncIterator[list[Connection]]:
    """So many open connections."""
    made = [Connection(url, headers or {}) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for each in made:
            stack.callback(each.close)
            await each.open()
        yield made


async def closed_loop(connections: list[Connection], count: int, call: Callable[[Connection], Awaitable[Reply]]) -> list[Reply]:
    """`count` calls in all: each connection's next as soon as its last was answered."""
    left, replies = iter(range(count)), []

    async def one_after_the_other(connection: Connection) -> None:
        for _ in left:
            replies.append(await call(connection))

    async with asyncio.TaskGroup() as tasks:
        for each in connections:
            tasks.create_task(one_after_the_other(each))
    return replies


class Tap:
    """Passes bytes between a server and its provider, and notes when each chunk of the provider's went on. One stream at a time."""

    def __init__(self) -> None:
        self.provider = ""
        self.chunks: list[float] = []
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Tap]:
        """Until both who talk through it have left."""
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        async with self._server:
            yield self
        if self._passing:
            await asyncio.wait(self._passing, timeout=LEAVE_SECONDS)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        split = urlsplit(self.provider)
        far_reader, far_writer = await asyncio.open_connection(split.hostname, split.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._one_way(reader, far_writer, noted=False))
                tasks.create_task(self._one_way(far_reader, writer, noted=True))
        finally:
            writer.close()
            far_writer.close()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, noted: bool) -> None:
        while data := await reader.read(READ_BYTES):
            if noted:
                self.chunks += [time.perf_counter()] * data.count(CHUNK)
            writer.write(data)
        writer.close()
