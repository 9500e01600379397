"""A pipelined connection to the engine's process, reconnecting by itself, with a timeout. Knows no vector."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path

import msgspec

from app.errors import VectorStoreUnavailable
from app.storage.vectors import frames
from app.storage.vectors.frames import EngineReply, EngineRequest, ProtocolViolation

RETRY_FIRST, RETRY_MAX = 0.02, 0.5
"""Seconds between attempts to reach an engine that is being restarted or replaced; doubled each time."""


class EngineConnection:
    """A connection to the engine. All its methods are idempotent, so a call that loses its connection is repeated."""

    def __init__(self, socket: Path, *, timeout_seconds: float) -> None:
        self._socket = socket
        self._timeout = timeout_seconds
        self._numbers = itertools.count(frames.UNREADABLE + 1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    async def call(self, method: str, body: object = None, *, timeout_seconds: float | None = None) -> msgspec.Raw:
        """Return a method's encoded result. Raises VectorStoreUnavailable if it times out or the engine refuses."""
        seconds = self._timeout if timeout_seconds is None else timeout_seconds
        encoded = frames.raw(body)
        try:
            async with asyncio.timeout(seconds):
                return await self._until_answered(method, encoded)
        except TimeoutError:
            raise VectorStoreUnavailable(
                f"The vector engine did not answer within {seconds:g} s. `cairn serve` restarts it by itself; try again."
            ) from None

    async def close(self) -> None:
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _until_answered(self, method: str, body: msgspec.Raw) -> msgspec.Raw:
        pause = RETRY_FIRST
        while True:
            if self._closed:
                raise VectorStoreUnavailable("The connection to the vector engine is closed: Cairn is stopping.")
            try:
                return await self._once(method, body)
            except OSError:  # refused, reset, or no socket yet: the engine is restarting
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MAX)

    async def _once(self, method: str, body: msgspec.Raw) -> msgspec.Raw:
        number = next(self._numbers)
        frame = frames.pack(EngineRequest(number, method, body))
        writer = await self._connected()
        waiter: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiter
        try:
            writer.write(frame)
            await writer.drain()
            return await waiter
        finally:
            self._waiting.pop(number, None)
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # marks it as retrieved, even if `drain` failed first

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._reading is None or self._reading.done():
                reader, self._writer = await asyncio.open_unix_connection(str(self._socket))
                self._reading = asyncio.create_task(self._read(reader, self._writer), name="engine replies")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand each reply to its waiter; when the connection ends, fail the remaining ones so that they retry."""
        try:
            while (data := await frames.read(reader)) is not None:
                self._deliver(msgspec.msgpack.decode(data, type=EngineReply))
        except (ProtocolViolation, msgspec.DecodeError, OSError):
            pass  # waiting calls are repeated over a new connection
        finally:
            writer.close()
            waiting, self._waiting = self._waiting, {}
            for waiter in waiting.values():
                if not waiter.done():
                    waiter.set_exception(ConnectionResetError())

    def _deliver(self, reply: EngineReply) -> None:
        waiter = self._waiting.get(reply.number)
        if waiter is None or waiter.done():
            return
        if reply.again:
            waiter.set_exception(ConnectionResetError())
        elif reply.error:
            waiter.set_exception(VectorStoreUnavailable(f"The vector engine refused: {reply.error}"))
        else:
            waiter.set_result(reply.body)
