"""Runs jobs: some at once, each with a heartbeat; hands back what it can't finish when it is told to stop. Knows no kind of job."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import CairnError, InvalidInput, NotFound, TooLarge, Unavailable
from app.queue.jobs import Job, LeaseLost, Queue
from app.settings import Worker as WorkerSettings
from app.storage.database import Database

log = structlog.get_logger()

Progress = Callable[[int, int], Awaitable[None]]
FINAL = (InvalidInput, NotFound, TooLarge)
"""What another attempt can't mend."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a handler made. `closing` runs in the transaction that records it: both happen, or neither."""

    result: dict[str, Any]
    closing: Callable[[AsyncConnection], Awaitable[None]] | None = None


Handler = Callable[[Job, Progress], Awaitable[Done]]


class Worker:
    def __init__(self, database: Database, queue: Queue, handlers: Mapping[str, Handler], settings: WorkerSettings) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._settings = settings
        self._stopping = asyncio.Event()
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def stop(self) -> None:
        """Take no more jobs; those under way are handed back at their next pause."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop()` or cancellation. PostgreSQL's absence is waited out."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._settings.concurrency):
                lanes.create_task(self._lane())

    async def _lane(self) -> None:
        while not self._stopping.is_set():
            try:
                job = await self._queue.claim(self.name, self._handlers.keys())
            except Unavailable as error:
                log.warning("worker.waits", code=error.code)
                job = None
            if job is not None:
                await self._attempt(job)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.poll_seconds):
                        await self._stopping.wait()

    async def _attempt(self, job: Job) -> None:
        """One attempt at one job, beside its heartbeat and the wish to stop; whichever ends first decides."""
        work = asyncio.create_task(self._work(job), name=f"job {job.id}")
        beside = [asyncio.create_task(self._heartbeat(job)), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait([work, *beside], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, *beside):
                task.cancel()
            await asyncio.gather(work, *beside, return_exceptions=True)
            if work.cancelled():
                with suppress(Unavailable):
                    await asyncio.shield(self._queue.hand_back(job, self.name))
                log.info("job.handed_back", job=str(job.id), kind=job.kind)

    async def _work(self, job: Job) -> None:
        log.info("job.started", job=str(job.id), kind=job.kind, attempt=job.attempts)
        try:
            done = await self._handlers[job.kind](job, lambda done, total: self._queue.progress(job, self.name, done, total))
            async with self._database.begin() as connection:
                await self._queue.finish(connection, job, self.name, done.result)
                if done.closing is not None:
                    await done.closing(connection)
            log.info("job.done", job=str(job.id), kind=job.kind)
        except LeaseLost:
            log.warning("job.lost", job=str(job.id), kind=job.kind)
        except CairnError as error:
            await self._record(job, error.code, error.message, retryable=not isinstance(error, FINAL))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the job's failure, not the worker's
            log.exception("job.crashed", job=str(job.id), kind=job.kind)
            await self._record(job, "internal_error", f"{type(error).__name__} in attempt {job.attempts}.", retryable=True)

    async def _record(self, job: Job, code: str, message: str, *, retryable: bool) -> None:
        error = {"code": code, "message": message, "attempts": job.attempts}
        try:
            state = await self._queue.fail(job, self.name, error, retryable=retryable)
        except Unavailable:
            state = "running"  # nothing can be recorded now: the lease will pass, and the job be taken up again
        log.warning("job.failed", job=str(job.id), kind=job.kind, code=code, attempt=job.attempts, now=state)

    async def _heartbeat(self, job: Job) -> None:
        """Return when the job is no longer ours; a passing outage of PostgreSQL is no reason yet."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            try:
                await self._queue.extend(job, self.name)
            except LeaseLost:
                log.warning("job.lease_lost", job=str(job.id))
                return
            except Unavailable as error:
                log.warning("job.heartbeat_missed", job=str(job.id), code=error.code)
