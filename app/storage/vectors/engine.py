"""The engine's process: `python -m app.storage.vectors.engine`. Serves one shard on a Unix socket until its owner is gone.

One request at a time: the engine holds the GIL anyway. `takeover` is how a rebuilt index replaces the live one: the socket is
renamed over the live one's, so new connections come here, and the old process is told to leave.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import msgspec

from app.storage.child import owner_gone
from app.storage.vectors import frames
from app.storage.vectors.frames import Ask, Broken, Reply, Request, ShardOptions, WirePoint
from app.storage.vectors.shard import Shard


class Engine:
    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._socket: Path | None = None

    async def serve(self, socket: Path) -> None:
        """Listen until SIGTERM or the owner's end; then flush and close."""
        self._socket = socket
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connected, str(socket))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        tasks = [asyncio.create_task(owner_gone()), asyncio.create_task(stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for task in tasks:
            task.cancel()
        self._shard.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await frames.read(reader, Request)) is not None:
                writer.write(frames.pack(self._answer(request)))
                await writer.drain()
        except (Broken, ConnectionError):
            pass  # the other side's fault; its connection is all that it costs
        finally:
            writer.close()

    def _answer(self, request: Request) -> Reply:
        try:
            return Reply(request.number, "", frames.raw(self._do(request.method, request.body)))
        except Exception as error:  # noqa: BLE001 - the engine's errors are of no one class; the asker gets the words
            return Reply(request.number, f"{type(error).__name__}: {error}", frames.raw(None))

    def _do(self, method: str, body: msgspec.Raw) -> object:
        decode = msgspec.msgpack.decode
        match method:
            case "upsert":
                return self._shard.upsert(decode(body, type=list[WirePoint]))
            case "delete":
                return self._shard.delete(decode(body, type=list[str]))
            case "search":
                return self._shard.search(decode(body, type=Ask))
            case "status":
                return [self._shard.points(), self._shard.unindexed(), self._shard.segments()]
            case "optimize":
                return self._shard.optimize()
            case "takeover":
                return self._take_over(Path(decode(body, type=str)))
            case _:
                raise ValueError(f"unknown method {method!r}")

    def _take_over(self, live: Path) -> None:
        """Rename is atomic: a connection is made either to the old process or to this one."""
        assert self._socket is not None
        self._socket.rename(live)
        self._socket = live


def main() -> None:
    parser = argparse.ArgumentParser(description="Cairn's vector engine: one shard on a Unix socket. Started by `cairn serve`.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--options", required=True, help="ShardOptions as JSON")
    arguments = parser.parse_args()
    shard = Shard(arguments.folder, msgspec.json.decode(arguments.options, type=ShardOptions))
    asyncio.run(Engine(shard).serve(arguments.socket))


if __name__ == "__main__":
    main()
