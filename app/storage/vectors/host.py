"""The owner of the engine's process: starts it, watches it, and replaces it by one that holds a rebuilt index. Knows no point."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from app.errors import ConfigurationError, Unavailable, VectorStoreUnavailable
from app.settings import Vectors as Options
from app.storage.child import Child
from app.storage.folder import own
from app.storage.vectors.connection import EngineConnection
from app.storage.vectors.frames import ShardOptions
from app.storage.vectors.place import Place
from app.storage.vectors.store import DIMS, IndexSchema

log = structlog.get_logger()

OPTIMIZE_SECONDS = 1800
START_SECONDS = 60
"""A large index is read from the disk."""
PROBE_SECONDS = 0.25


class EdgeStaging:
    """The next generation's engine. `engine` is the connection to it, `place` its socket."""

    def __init__(self, host: EngineHost, child: Child, place: Path, engine: EngineConnection, generation: int) -> None:
        self._host = host
        self.child = child
        self.place = place
        self.engine = engine
        self.generation = generation
        self.committed = False

    async def optimize(self) -> None:
        """VectorStoreUnavailable also as soon as its process has ended: nobody starts a builder again."""
        if not await _answered(self.child, self.engine.call("optimize", self._host.recall, timeout_seconds=OPTIMIZE_SECONDS)):
            raise VectorStoreUnavailable("The process that built the new vector index was ended. The old one stays; it is built again.")

    async def commit(self) -> None:
        await self._host.promote(self)


class EngineHost:
    """One a folder: a second one is refused, in whatever process it is."""

    def __init__(self, place: Place, options: Options, schema: IndexSchema) -> None:
        self._place = place
        self._timeout = options.timeout_seconds
        self.recall = options.recall
        self._options = msgspec.json.encode(_shard_options(options, schema)).decode()
        self._rebuilding = asyncio.Lock()
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EngineHost]:
        """The live engine, for the length of the context. ConfigurationError when the folder has an owner or can't be opened."""
        lock = await asyncio.to_thread(own, self._place.folder)
        try:
            generation = await asyncio.to_thread(self._place.tidy)
            self._child = await self._start(generation)
            self._resume_watch()
            yield self
        finally:
            await self._stop_watch()
            if self._child is not None:
                await self._child.stop()
            lock.close()

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[EdgeStaging]:
        """An empty engine beside the live one; thrown away unless it was committed. One at a time."""
        async with self._rebuilding:
            generation = await asyncio.to_thread(self._place.current) + 1
            await asyncio.to_thread(self._place.prepare, generation)
            child = await self._start(generation)
            engine = EngineConnection(self._place.staging, timeout_seconds=self._timeout)
            staging = EdgeStaging(self, child, self._place.staging, engine, generation)
            try:
                yield staging
            finally:
                await engine.close()
                if not staging.committed:
                    await child.stop()
                    await asyncio.to_thread(self._place.remove, generation)

    async def promote(self, staging: EdgeStaging) -> None:
        """Let the staging engine take the live one's place. Not interrupted half-way, even where the caller is cancelled."""
        task = asyncio.create_task(self._promote(staging), name="promote vectors")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                log.warning("vectors.promotion_failed", reason=str(error))
            raise

    async def _promote(self, staging: EdgeStaging) -> None:
        """First the old engine takes no more writes: those it acknowledged would be lost. It answers searches until it leaves."""
        old = self._child
        live = EngineConnection(self._place.live, timeout_seconds=self._timeout)
        await self._stop_watch()  # an old engine that died just now must not come back over the new one's socket
        try:
            if old is not None:  # a dead one takes no writes, and nobody starts it again now
                await _answered(old, live.call("freeze", True))
            await staging.engine.call("flush")
            await asyncio.to_thread(self._place.promote, staging.generation)
        except BaseException:
            await self._thaw(live)
            self._resume_watch()
            raise
        finally:
            await live.close()
        staging.committed = True
        self._child = staging.child
        self._resume_watch()
        if old is not None:
            await old.stop()
        await asyncio.to_thread(self._place.remove, staging.generation - 1)
        log.info("vectors.promoted", generation=staging.generation)

    async def _thaw(self, live: EngineConnection) -> None:
        """Let the live engine take writes again. One that doesn't hear of it is ended: its watch starts it anew, unfrozen."""
        try:
            await live.call("freeze", False)
        except Unavailable:
            log.warning("vectors.not_thawed")
            if self._child is not None:
                await self._child.stop()

    async def _start(self, generation: int) -> Child:
        """Start an engine and wait until it answers."""
        folder, number = str(self._place.folder), str(generation)
        module = [sys.executable, "-m", "app.storage.vectors.engine"]
        command = [*module, "--folder", folder, "--generation", number, "--options", self._options]
        child = Child("vectors", command, env={}, grace_seconds=10)
        await child.start()
        try:
            await self._answers(child, generation)
        except BaseException:
            await child.stop()
            raise
        return child

    async def _answers(self, child: Child, generation: int) -> None:
        engine = EngineConnection(await asyncio.to_thread(self._place.socket, generation), timeout_seconds=PROBE_SECONDS)
        try:
            async with asyncio.timeout(START_SECONDS):
                while child.alive:
                    with suppress(VectorStoreUnavailable):
                        await engine.call("status")
                        return
        except TimeoutError:
            raise VectorStoreUnavailable(f"The vector engine did not start within {START_SECONDS} s.") from None
        finally:
            await engine.close()
        raise ConfigurationError(
            f"The vector engine can't open {self._place.folder}; its reason stands in the log above. The index holds nothing that"
            " PostgreSQL doesn't: move the folder away, start again, and run `cairn index rebuild`."
        )

    def _resume_watch(self) -> None:
        if self._child is not None:
            self._watch = asyncio.create_task(self._child.watch(), name="watch vectors")

    async def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None


async def _answered(child: Child, call: Coroutine[None, None, object]) -> bool:
    """Wait for a call to a child's process. False: the process ended first, and nobody answers."""
    answer, ended = asyncio.create_task(call), asyncio.create_task(child.ended())
    try:
        await asyncio.wait([answer, ended], return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            answer.result()
        return answer.done()
    finally:
        for task in (answer, ended):
            task.cancel()
        await asyncio.gather(answer, ended, return_exceptions=True)


def _shard_options(options: Options, schema: IndexSchema) -> ShardOptions:
    return ShardOptions(
        dims={str(name): size for name, size in DIMS.items()},
        keywords=list(schema.keywords),
        floats=list(schema.floats),
        datetimes=list(schema.datetimes),
        m=options.hnsw_m,
        ef_construct=options.hnsw_ef_construct,
        ef=options.ef,
        oversampling=options.oversampling,
    )
