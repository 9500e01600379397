"""The embedded vector store: Qdrant's engine in a process of its own, and its rebuild by another. See docs/tour.md, Processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from app.errors import ConfigurationError
from app.settings import Vectors as Options
from app.storage.child import Child
from app.storage.folder import own, socket_folder
from app.storage.vectors import lexical
from app.storage.vectors.connection import EngineConnection
from app.storage.vectors.frames import Ask, ShardOptions, SparseParts, WireHit, WirePoint
from app.storage.vectors.store import DIMS, Hit, IndexSchema, Point, StoreStatus, Vector, VectorName, Where

LIVE, STAGING = "engine.sock", "staging.sock"
OPTIMIZE_SECONDS = 1800
START_SECONDS = 30
POINTS_A_FRAME = 256


class EdgeStore:
    """The Protocol's `VectorStore` over the engine's socket. Only its owner (`host`) can rebuild."""

    def __init__(self, socket: Path, options: Options, host: EngineHost | None = None) -> None:
        self._engine = EngineConnection(socket, timeout_seconds=options.timeout_seconds)
        self._host = host

    async def upsert(self, points: Sequence[Point]) -> None:
        await upsert_points(self._engine, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        await self._engine.call("delete", [str(each) for each in ids])

    async def nearest(
        self,
        vector: Vector,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        min_score: float | None = None,
        with_vectors: bool = False,
    ) -> list[Hit]:
        return await self._search(Ask(packed(vector), name, None, _lists(where), limit, min_score, with_vectors))

    async def hybrid(
        self,
        vector: Vector,
        text: str,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        with_vectors: bool = False,
    ) -> list[Hit]:
        words = lexical.query(text)
        sparse = SparseParts(words.indices, words.values)
        return await self._search(Ask(packed(vector), name, sparse, _lists(where), limit, None, with_vectors))

    async def status(self) -> StoreStatus:
        points, unindexed, segments = msgspec.msgpack.decode(await self._engine.call("status", None), type=tuple[int, int, int])
        return StoreStatus(points, unindexed, {"engine": "embedded", "segments": str(segments)})

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator[EdgeStaging]:
        if self._host is None:
            raise ConfigurationError("Only `cairn serve`, which owns the vector engine, can rebuild the index.")
        async with self._host.staging() as staging:
            yield staging

    async def close(self) -> None:
        await self._engine.close()

    async def _search(self, ask: Ask) -> list[Hit]:
        hits = msgspec.msgpack.decode(await self._engine.call("search", ask), type=list[WireHit])
        return [Hit(UUID(hit.id), hit.score, None if hit.vector is None else np.frombuffer(hit.vector, "<f4")) for hit in hits]


class EdgeStaging:
    """The next generation, in its own process, until it takes over."""

    def __init__(self, host: EngineHost, child: Child, engine: EngineConnection, generation: int) -> None:
        self._host = host
        self._engine = engine
        self.child = child
        self.generation = generation
        self.committed = False

    async def upsert(self, points: Sequence[Point]) -> None:
        await upsert_points(self._engine, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        await self._engine.call("delete", [str(each) for each in ids])

    async def optimize(self) -> None:
        await self._engine.call("optimize", None, timeout_seconds=OPTIMIZE_SECONDS)

    async def commit(self) -> None:
        await self._engine.call("takeover", str(self._host.socket))
        await self._host.promote(self)
        self.committed = True


class EngineHost:
    """Owns the folder: `<n>/` is generation n, `current` names the live one. Starts, watches and replaces the engine's process."""

    def __init__(self, folder: Path, options: Options, schema: IndexSchema) -> None:
        self._folder = folder
        self._sockets = socket_folder(folder, STAGING)
        self.socket = self._sockets / LIVE
        self._options = options
        self._shard = ShardOptions(
            dims=dict(DIMS),
            keywords=list(schema.keywords),
            floats=list(schema.floats),
            datetimes=list(schema.datetimes),
            m=options.hnsw_m,
            ef_construct=options.hnsw_ef_construct,
            ef=options.ef,
            oversampling=options.oversampling,
        )
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EngineHost]:
        lock = await asyncio.to_thread(own, self._folder)
        try:
            current = await asyncio.to_thread(self._tidy)
            await self._adopt(await self._start(current, self.socket))
            yield self
        finally:
            await self._retire()
            lock.close()

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[EdgeStaging]:
        generation = await asyncio.to_thread(self._current) + 1
        await asyncio.to_thread(self._remove, generation)
        child = await self._start(generation, self._sockets / STAGING)
        engine = EngineConnection(self._sockets / STAGING, timeout_seconds=self._options.timeout_seconds)
        staging = EdgeStaging(self, child, engine, generation)
        try:
            yield staging
        finally:
            await engine.close()
            if not staging.committed:
                await child.stop()
                await asyncio.to_thread(self._remove, generation)

    async def promote(self, staging: EdgeStaging) -> None:
        """The staging engine listens in the live one's place: remember it, watch it, and let the old one go."""
        await asyncio.to_thread(self._point_to, staging.generation)
        await self._retire()
        await self._adopt(staging.child)
        await asyncio.to_thread(self._remove, staging.generation - 1)

    async def _start(self, generation: int, socket: Path) -> Child:
        """Start an engine and wait until it answers. ConfigurationError when it doesn't."""
        options = msgspec.json.encode(self._shard).decode()
        command = [sys.executable, "-m", "app.storage.vectors.engine", "--folder", str(self._folder / str(generation))]
        child = Child("vectors", [*command, "--socket", str(socket), "--options", options], env={}, grace_seconds=10)
        await child.start()
        engine = EngineConnection(socket, timeout_seconds=START_SECONDS)
        try:
            await engine.call("status", None)
        except BaseException:
            await child.stop()
            raise
        finally:
            await engine.close()
        return child

    async def _adopt(self, child: Child) -> None:
        self._child = child
        self._watch = asyncio.create_task(child.watch(), name="watch vectors")

    async def _retire(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._child is not None:
            await self._child.stop()

    def _current(self) -> int:
        pointer = self._folder / "current"
        return int(pointer.read_text()) if pointer.exists() else 1

    def _point_to(self, generation: int) -> None:
        """Durably: written beside, flushed, renamed."""
        made = self._folder / "current.new"
        with made.open("w") as out:
            out.write(str(generation))
            out.flush()
            os.fsync(out.fileno())
        made.rename(self._folder / "current")

    def _tidy(self) -> int:
        """Remove what a rebuild that was cut off left behind; returns the live generation."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = self._current()
        for place in self._folder.iterdir():
            if place.name.split(".")[0].isdigit() and place.name.split(".")[0] != str(current):
                self._remove(int(place.name.split(".")[0]))
        for name in (LIVE, STAGING):
            (self._sockets / name).unlink(missing_ok=True)
        return current

    def _remove(self, generation: int) -> None:
        shutil.rmtree(self._folder / str(generation), ignore_errors=True)
        (self._folder / f"{generation}.graphed").unlink(missing_ok=True)


def live_socket(folder: Path) -> Path:
    """Where the engine of this folder listens."""
    return socket_folder(folder, STAGING) / LIVE


async def upsert_points(engine: EngineConnection, points: Sequence[Point]) -> None:
    for start in range(0, len(points), POINTS_A_FRAME):
        await engine.call("upsert", [_wire(point) for point in points[start : start + POINTS_A_FRAME]])


def packed(vector: Vector) -> bytes:
    return vector.astype("<f4").tobytes()


def _wire(point: Point) -> WirePoint:
    words = lexical.document(point.text)
    vectors = {str(name): packed(vector) for name, vector in point.vectors.items()}
    return WirePoint(str(point.id), vectors, SparseParts(words.indices, words.values), dict(point.payload))


def _lists(where: Where) -> dict[str, list[str]]:
    return {key: [value] if isinstance(value, str) else list(value) for key, value in where.items()}
