"""One connection to the engine's process: pipelined, made again by itself, bounded by a timeout. Knows no vector."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path

import msgspec

from app.errors import VectorStoreUnavailable
from app.storage.vectors import frames
from app.storage.vectors.frames import Broken, Reply, Request

RETRY_SECONDS = 0.05


class EngineConnection:
    """Every method of the engine may be repeated, so a call that meets a dying connection is simply made again."""

    def __init__(self, socket: Path, *, timeout_seconds: float) -> None:
        self._socket = socket
        self._timeout = timeout_seconds
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def call(self, method: str, body: object, *, timeout_seconds: float | None = None) -> msgspec.Raw:
        """The method's result, still encoded. VectorStoreUnavailable when it doesn't come in time or the engine refuses."""
        seconds = self._timeout if timeout_seconds is None else timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._once(method, body)
                    except (ConnectionError, FileNotFoundError):
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise VectorStoreUnavailable(
                f"The vector engine did not answer within {seconds:g} s. It is restarted by itself; try again."
            ) from None

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _once(self, method: str, body: object) -> msgspec.Raw:
        writer = await self._connected()
        number = next(self._numbers)
        waiter: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiter
        try:
            writer.write(frames.pack(Request(number, method, frames.raw(body))))
            await writer.drain()
            return await waiter
        finally:
            self._waiting.pop(number, None)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._reading is None or self._reading.done():
                reader, self._writer = await asyncio.open_unix_connection(str(self._socket))
                self._reading = asyncio.create_task(self._read(reader, self._writer), name="engine replies")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand each reply to its waiter; at the end of the connection, tell all who still wait."""
        try:
            while (reply := await frames.read(reader, Reply)) is not None:
                self._deliver(reply)
        except (Broken, ConnectionError):
            pass
        finally:
            writer.close()
            waiting, self._waiting = self._waiting, {}
            for waiter in waiting.values():
                if not waiter.done():
                    waiter.set_exception(ConnectionResetError())

    def _deliver(self, reply: Reply) -> None:
        waiter = self._waiting.get(reply.number)
        if waiter is None or waiter.done():
            return
        if reply.error:
            waiter.set_exception(VectorStoreUnavailable(f"The vector engine refused: {reply.error}"))
        else:
            waiter.set_result(reply.body)
