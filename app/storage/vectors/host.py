"""Owns the engine's process: starts and watches it, sets a damaged index aside, and replaces the engine by one with a rebuilt index.

Knows no point.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from app.errors import Unavailable, VectorStoreUnavailable
from app.settings import VectorsSettings as Options
from app.storage.child import BACKOFF_FIRST, BACKOFF_MAX, Child
from app.storage.folder import lock_folder
from app.storage.vectors.connection import EngineConnection
from app.storage.vectors.damage import CrashHistory
from app.storage.vectors.frames import ShardOptions, WireStatus
from app.storage.vectors.index_folder import IndexFolder
from app.storage.vectors.store import IndexSchema

log = structlog.get_logger()

OPTIMIZE_SECONDS, OPTIMIZE_SECONDS_A_POINT = 1800, 0.02
"""Timeout that catches only a hung builder: 100,000 points took 500 s on two busy cores. A builder that exits is noticed at once."""
START_SECONDS = 60
"""Reading a large index from disk takes long."""
ASKED_AGAIN_SECONDS = 0.5
T = TypeVar("T")


class EdgeStaging:
    """The next generation's engine: `engine` is the connection to it, `place` its socket."""

    def __init__(self, host: EngineHost, child: Child, place: Path, engine: EngineConnection, generation: int) -> None:
        self._host = host
        self.child = child
        self.place = place
        self.engine = engine
        self.generation = generation
        self.committed = False

    async def optimize(self) -> None:
        """Build the graphs. Raises VectorStoreUnavailable as soon as the builder's process ends; it is not restarted."""
        if not await _answered(self.child, self._optimize()):
            raise VectorStoreUnavailable("The process that built the new vector index ended. The old index stays; the build is retried.")

    async def _optimize(self) -> None:
        points = msgspec.msgpack.decode(await self.engine.call("status"), type=WireStatus).points
        await self.engine.call("optimize", self._host.recall, timeout_seconds=OPTIMIZE_SECONDS + OPTIMIZE_SECONDS_A_POINT * points)

    async def commit(self) -> None:
        await self._host.promote(self)


class EngineHost:
    """Owns a folder's engine; a second owner, in any process, is refused.

    A bad index never prevents a start, since it can be rebuilt: one that can't be opened, or keeps killing its engine, is set aside and
    replaced by an empty one. `unavailable_reason`: why there is no engine just now; empty while one is running or expected at any moment.
    """

    def __init__(self, place: IndexFolder, options: Options, schema: IndexSchema) -> None:
        self._place = place
        self._timeout = options.timeout_seconds
        self.recall = options.recall
        self._options = msgspec.json.encode(_shard_options(options, schema)).decode()
        self._rebuilding = asyncio.Lock()
        self._generation = 0
        """The live generation's number; 0: not read from the folder yet."""
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._answering = False
        """True once the live engine has opened its index; until then it has acknowledged nothing."""
        self._history = CrashHistory()
        self.unavailable_reason = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EngineHost]:
        """Run the live engine for the length of the context. Raises ConfigurationError if the folder has an owner.

        Enters once the engine answers, or is known not to; it is then retried in the background.
        """
        lock = await asyncio.to_thread(lock_folder, self._place.folder)
        try:
            self._resume_watch()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._settled.wait()
            except TimeoutError:
                log.warning("vectors.slow_to_open", after_seconds=START_SECONDS)
            yield self
        finally:
            await self._stop_watch()
            if self._child is not None:
                await self._child.stop()
            lock.close()

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[EdgeStaging]:
        """Run an empty engine beside the live one, discarded unless committed. One at a time."""
        async with self._rebuilding:
            if self._generation == 0:
                raise VectorStoreUnavailable(self.unavailable_reason or "The vector engine is still starting: try again.")
            generation = self._generation + 1
            child = await self._started(generation)
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
        """Let the staging engine replace the live one; completes even if the caller is cancelled."""
        task = asyncio.create_task(self._promote(staging), name="promote vectors")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                log.warning("vectors.promotion_failed", reason=str(error))
            raise

    async def _promote(self, staging: EdgeStaging) -> None:
        """Freeze the old engine's writes first, as acknowledged ones would be lost; it answers searches until it stops."""
        old = self._child
        live = EngineConnection(self._place.live, timeout_seconds=self._timeout)
        await self._stop_watch()  # an old engine that dies now must not be restarted on the new one's socket
        try:
            if old is not None and old.alive:  # a dead one takes no writes, and is not restarted while the watch is stopped
                if self._answering:
                    await _answered(old, live.call("freeze", True))
                else:  # it has acknowledged nothing yet, so nothing can be lost
                    await old.stop()
            await staging.engine.call("flush")
            await asyncio.to_thread(self._place.promote, staging.generation)
        except BaseException:
            await self._thaw(live)
            self._resume_watch()
            raise
        finally:
            await live.close()
        staging.committed = True
        self._child, self._generation, self.unavailable_reason = staging.child, staging.generation, ""
        self._answering = True
        self._history.replaced()
        self._resume_watch()
        if old is not None:
            await old.stop()
        await asyncio.to_thread(self._place.remove, staging.generation - 1)
        log.info("vectors.promoted", generation=staging.generation)

    async def _thaw(self, live: EngineConnection) -> None:
        """Unfreeze the live engine. If it doesn't answer, stop it: its watch restarts it unfrozen."""
        try:
            await live.call("freeze", False)
        except Unavailable:
            log.warning("vectors.not_thawed")
            if self._child is not None:
                await self._child.stop()

    async def _started(self, generation: int) -> Child:
        """Start a staging engine and wait for its answer. Raises VectorStoreUnavailable if none comes."""
        try:
            await asyncio.to_thread(self._place.prepare, generation)
            child = self._engine(generation, self._place.staging)
            await child.start()
        except OSError as error:
            raise VectorStoreUnavailable(f"A new vector index can't be begun: {error.strerror}. It is tried again.") from error
        try:
            await self._answers(child)
        except BaseException:
            await child.stop()
            raise
        return child

    async def _answers(self, child: Child) -> None:
        engine = EngineConnection(self._place.staging, timeout_seconds=START_SECONDS)
        try:
            answered = await _answered(child, engine.call("status"))
        finally:
            await engine.close()
        if not answered:
            raise VectorStoreUnavailable("The process for a new vector index ended at once; the server's log says why.")

    def _engine(self, generation: int, socket: Path) -> Child:
        """Build the process of a generation, not started yet."""
        arguments = {
            "--folder": self._place.generation(generation),
            "--generation": generation,
            "--socket": socket,
            "--options": self._options,
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        return Child("vectors", [sys.executable, "-P", "-m", "app.storage.vectors.engine", *words], env={}, grace_seconds=10)

    async def _supervise(self) -> None:
        """Keep a live engine running whatever happens to it or its folder."""
        loop, pause = asyncio.get_running_loop(), BACKOFF_FIRST
        while True:
            began, reason = loop.time(), ""
            try:
                status = await self._run_once()
            except OSError as error:
                self._give_up(f"The vector index's folder can't be used: {error.strerror}. Look at the disk of the data folder.")
            except Exception:
                log.exception("vectors.not_started")
                self._give_up("The vector engine can't be started; the server's log says why.")
            else:
                log.warning("child.died", child="vectors", status=status, answered=self._answering, restart_in=pause)
                # It may have served others before this one reached it: then it starts, and opening the index is not what killed it.
                served = self._answering or await asyncio.to_thread(self._place.served)
                reason = self._history.died(status, answered=served, now=loop.time())
                if not served and not reason:
                    self._give_up("The vector engine does not start; the server's log says why.")
            if reason and await self._renewed(reason):
                continue
            if self._answering and loop.time() - began > BACKOFF_MAX:
                pause = BACKOFF_FIRST
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX)

    async def _run_once(self) -> int:
        """Start an engine if none runs; wait for its end and return its exit status. Raises OSError if folder or process fails."""
        child = self._child
        if child is None or not child.alive:
            self._answering = False
            if self._generation == 0:
                self._generation = await _to_completion(self._place.tidy)
            await _to_completion(self._place.ready, self._generation)
            child = self._child = self._engine(self._generation, self._place.live)
            await child.start()
            self._answering = await self._opened(child)
        return await child.ended()

    async def _opened(self, child: Child) -> bool:
        """Wait until the engine answers or ends. Opening may take any time: slowness is not damage."""
        engine = EngineConnection(self._place.live, timeout_seconds=START_SECONDS)
        try:
            while True:
                try:
                    answered = await _answered(child, engine.call("status"))
                    break
                except VectorStoreUnavailable:
                    await asyncio.sleep(ASKED_AGAIN_SECONDS)
        finally:
            await engine.close()
        if answered:
            self.unavailable_reason = ""
            self._settled.set()
        return answered

    async def _renewed(self, reason: str) -> bool:
        """Set the index aside. Return False if the disk refuses, or if recent renewals did not help."""
        now = asyncio.get_running_loop().time()
        if not self._history.may_renew(now):
            self._give_up("The vector index was damaged again and again within an hour. Look at the disk, and at the server's log.")
            return False
        try:
            await _to_completion(self._place.renew, self._generation, reason)
        except OSError as error:
            log.error("vectors.not_set_aside", reason=str(error), folder=str(self._place.folder))  # noqa: TRY400 - its words say it
            self._give_up(f"The damaged vector index can't be set aside: {error.strerror}. Look at the disk of the data folder.")
            return False
        self._history.renewed(now)
        return True

    def _give_up(self, why: str) -> None:
        """Record why there is no engine. It is retried, with backoff."""
        if why != self.unavailable_reason:
            log.error("vectors.away", reason=why)
        self.unavailable_reason = why
        self._settled.set()

    def _resume_watch(self) -> None:
        self._watch = asyncio.create_task(self._supervise(), name="watch vectors")

    async def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None


async def _answered(child: Child, call: Coroutine[None, None, object]) -> bool:
    """Await a call to a child's process; False if the process ended first."""
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


async def _to_completion(work: Callable[..., T], *arguments: Any) -> T:
    """Run disk work in a thread to completion, even if cancelled meanwhile."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _shard_options(options: Options, schema: IndexSchema) -> ShardOptions:
    return ShardOptions(
        dims=dict(schema.vectors),
        keywords=list(schema.keywords),
        floats=list(schema.floats),
        datetimes=list(schema.datetimes),
        m=options.hnsw_m,
        ef_construct=options.hnsw_ef_construct,
        ef=options.ef,
        oversampling=options.oversampling,
    )
