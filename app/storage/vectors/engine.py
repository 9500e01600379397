"""The engine's process, `python -m app.storage.vectors.engine`: serves one generation on a Unix socket until its owner ends.

Handles one request at a time, since the engine holds the GIL. Imports nothing heavy, so that a restart takes a fraction of a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from app.storage.child import owner_ended
from app.storage.priority import session_priority
from app.storage.vectors import frames
from app.storage.vectors.damage import CANT_OPEN, FAILED, NOT_NOW, failure_of, opening_failure_of
from app.storage.vectors.frames import EngineReply, EngineRequest, ProtocolViolation, ShardOptions, VectorQuery, WirePoint, WireStatus
from app.storage.vectors.index_folder import UNFILLED
from app.storage.vectors.shard import Shard

WRITES = {"upsert", "delete"}
LOCKED = "WouldBlock"
REBUILT = "its index was damaged or lost and is rebuilt from PostgreSQL. Try again in a moment."
HANG_UP_SECONDS = 2
LOCK_SECONDS = 10
"""Time to wait for the folder's lock: a killed owner's engine may still be flushing."""
NICENESS = 15
"""Nice value of the threads that build graphs, so that queries and requests go first."""


class Unfilled(Exception):
    """The index has not been rebuilt yet, so it can't be searched."""


class VectorEngine:
    """Serves a shard. `unfilled`: created empty in place of a lost index; accepts writes, but no searches, until it is rebuilt."""

    def __init__(self, shard: Shard, generation: int, *, unfilled: bool = False) -> None:
        self._shard = shard
        self._generation = generation
        self._unfilled = unfilled
        self._frozen = False
        self._failed = asyncio.Event()
        self._conversations: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def serve(self, socket: Path) -> int:
        """Serve until SIGTERM or the owner's end, then flush and close; or until the index fails. Returns the exit status."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        # Ctrl-C reaches the whole process group, but the owner stops us: it still needs the engine while it shuts down.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        server = await asyncio.start_unix_server(self._connected, str(socket), backlog=256)
        tasks = [asyncio.create_task(each) for each in (owner_ended(), stop.wait(), self._failed.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for task in tasks:
            task.cancel()
        await self._hang_up()
        if self._failed.is_set():
            return FAILED  # without closing, which would write to the damaged index
        self._shard.close()
        return 0

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations[writer] = conversation
        with suppress(ConnectionError):  # a client that disconnects affects only its own connection
            try:
                await self._converse(reader, writer)
            except ProtocolViolation as error:
                writer.write(frames.pack(EngineReply(frames.UNREADABLE, str(error), frames.raw(None))))
                await writer.drain()
            finally:
                del self._conversations[writer]
                writer.close()

    async def _hang_up(self) -> None:
        """End each connection after the reply being sent; clients repeat unread requests."""
        conversations = dict(self._conversations)
        for writer in conversations:
            writer.close()
        if conversations:
            await asyncio.wait(conversations.values(), timeout=HANG_UP_SECONDS)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await frames.read(reader)) is not None:
            writer.write(frames.pack(self._reply(data)))
            await writer.drain()
            await asyncio.sleep(0)  # lets other connections' searches in between pipelined writes

    def _reply(self, data: bytes) -> EngineReply:
        number = frames.UNREADABLE
        try:
            request = msgspec.msgpack.decode(data, type=EngineRequest)
            number = request.number
            if self._frozen and request.method in WRITES:
                # The client repeats the write until this process has ended, and then reaches its successor.
                return EngineReply(number, "", frames.raw(None), again=True)
            return EngineReply(number, "", frames.raw(self._do(request.method, request.body)))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - Rust's panics are no `Exception`; the client gets the text
            if failure_of(error) == "damage":
                sys.stderr.write(f"The vector index fails at work and is opened again: {error}\n")
                self._failed.set()
            words = str(error) if isinstance(error, Unfilled) else f"{type(error).__name__}: {error}"
            return EngineReply(number, words, frames.raw(None))

    def _optimize(self, recall: float) -> None:
        self._shard.optimize()
        self._shard.tune(recall)

    def _do(self, method: str, body: msgspec.Raw) -> object:
        decode, shard = msgspec.msgpack.decode, self._shard
        match method:
            case "search":
                if self._unfilled:
                    raise Unfilled(REBUILT)
                return shard.search(decode(body, type=VectorQuery))
            case "status":
                figures = shard.points(), shard.unindexed(), shard.segments()
                return WireStatus(*figures, self._generation, os.getpid(), shard.ef, unfilled=self._unfilled)
            case "upsert":
                shard.upsert(decode(body, type=list[WirePoint]))
            case "delete":
                shard.delete(decode(body, type=list[str]))
            case "optimize":
                session_priority(NICENESS)
                try:
                    _at_low_priority(lambda: self._optimize(decode(body, type=float)))
                finally:
                    session_priority(0)
            case "flush":
                shard.flush()
            case "freeze":
                self._frozen = decode(body, type=bool)
            case _:
                raise ValueError(f"unknown method {method!r}")
        return None


def _at_low_priority(work: Callable[[], None]) -> None:
    """Run `work` in a low-priority thread, which the threads it starts inherit.

    The process itself keeps its priority: it may soon be the live engine, and only root can raise a priority again.
    """

    def lower() -> None:
        if sys.platform == "linux":  # elsewhere single threads have no priority
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

    with ThreadPoolExecutor(1, initializer=lower) as thread:
        thread.submit(work).result()


def main() -> None:
    parser = argparse.ArgumentParser(description="Cairn's vector engine: one shard on a Unix socket. Started by `cairn serve`.")
    parser.add_argument("--folder", type=Path, required=True, help="the generation's own")
    parser.add_argument("--generation", type=int, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--options", required=True, help="ShardOptions as JSON")
    arguments = parser.parse_args()
    options, folder = msgspec.json.decode(arguments.options, type=ShardOptions), arguments.folder
    try:
        shard = _opened(folder, options)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - Rust's panics are no `Exception`
        sys.stderr.write(f"The vector index in {folder} can't be opened: {error}\n")
        sys.exit(NOT_NOW if opening_failure_of(error) == "machine" else CANT_OPEN)
    engine = VectorEngine(shard, arguments.generation, unfilled=(folder / UNFILLED).exists())
    status = asyncio.run(engine.serve(arguments.socket))
    if status:
        os._exit(status)  # closing a failed engine may hang or crash


def _opened(folder: Path, options: ShardOptions) -> Shard:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return Shard(folder, options)
        except Exception as error:
            if LOCKED not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
