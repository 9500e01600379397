"""Runs jobs concurrently, each while its lease holds. When stopped, it finishes its jobs or hands them back. Knows no kind of job."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from app.errors import CairnError, Unavailable
from app.queue.failure import cause_of, failure_of, stack_frames
from app.queue.jobs import Handler, Job, LeaseLost, Progress, Queue
from app.settings import WorkerSettings
from app.telemetry import metrics

log = structlog.get_logger()

AWAY_SECONDS = 1.0
"""Delay between attempts to reach PostgreSQL while it is unavailable."""
PROGRESS_SECONDS = 0.25
"""Shortest time between two records of a job's progress."""
END_SECONDS = 5.0
"""Time that a cancelled handler has to end."""
LEASE_TRUST = 0.8
"""Fraction of the lease for which it is trusted without renewal, so that work stops before another worker may take over."""


class Worker:
    """Runs the handlers' jobs. Handlers must be idempotent: after a crash their job runs again."""

    def __init__(self, queue: Queue, handlers: Mapping[str, Handler], settings: WorkerSettings) -> None:
        self._queue = queue
        self._handlers = handlers
        self._settings = settings
        self._stopping = asyncio.Event()
        self._polling = asyncio.Lock()
        self._away = False
        self._stuck: set[asyncio.Task[None]] = set()
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def stop(self) -> None:
        """Claim no more jobs. Running ones have `stop_seconds` to finish, then they are handed back."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop()` or cancellation, waiting while PostgreSQL is unavailable."""
        async with asyncio.TaskGroup() as slots:
            for number in range(self._settings.concurrency):
                slots.create_task(self._slot(), name=f"worker slot {number}")

    async def _slot(self) -> None:
        """Claim and run one job after the other."""
        while not self._stopping.is_set():
            async with self._polling:  # one idle slot polls, however many there are; as it gets a job, the next one polls at once
                job = await self._next()
            if job is not None:
                await self._attempt(job)

    async def _next(self) -> Job | None:
        """Wait for a job and claim it; None: the worker is stopping."""
        while not self._stopping.is_set():
            if (job := await self._claim()) is not None:
                return job
            with suppress(TimeoutError):
                async with asyncio.timeout(AWAY_SECONDS if self._away else self._settings.poll_seconds):
                    await self._stopping.wait()
        return None

    async def _claim(self) -> Job | None:
        """Claim the next job. None also while PostgreSQL is unavailable, which is logged once."""
        try:
            job = await self._queue.claim(self.name, self._handlers.keys())
        except Unavailable as error:
            if not self._away:
                log.warning("worker.paused", code=error.code)
            self._away = True
            return None
        if self._away:
            log.info("worker.resumed")
        self._away = False
        return job

    async def _attempt(self, job: Job) -> None:
        """Run one attempt at a job until it ends, its lease is in doubt, or the stop deadline passes."""
        work = asyncio.create_task(self._work(job), name=f"job {job.id}")
        lease, stop = asyncio.create_task(self._keep_lease(job)), asyncio.create_task(self._time_to_stop())
        try:
            await asyncio.wait([work, lease, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            unfinished = not work.done()
            for task in (work, lease, stop):
                task.cancel()
            await asyncio.wait([work, lease, stop], timeout=END_SECONDS)
            if unfinished:
                await self._hand_back(job, work)
        for task in (work, lease):
            if task.done() and not task.cancelled():
                task.result()  # re-raise an error of the worker itself

    async def _hand_back(self, job: Job, work: asyncio.Task[None]) -> None:
        """Hand back a job whose work was cancelled, unless the work still runs or has ended meanwhile."""
        if not work.done():
            self._stuck.add(work)
            work.add_done_callback(self._stuck.discard)
            log.error("job.cancellation_ignored", job=str(job.id), kind=job.kind)
        elif work.cancelled():
            with suppress(LeaseLost, Unavailable, TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._queue.hand_back(job)
                log.info("job.handed_back", job=str(job.id), kind=job.kind)

    async def _time_to_stop(self) -> None:
        """Return once the worker has been stopping for `stop_seconds`."""
        await self._stopping.wait()
        await asyncio.sleep(self._settings.stop_seconds)

    async def _keep_lease(self, job: Job) -> None:
        """Renew the lease (heartbeat). Return when it is in doubt: taken over, or PostgreSQL silent for too long."""
        clock, length = asyncio.get_running_loop().time, self._settings.lease_seconds
        trusted_until, pause = clock() + LEASE_TRUST * length, length / 3
        while True:
            await asyncio.sleep(min(pause, max(0.0, trusted_until - clock())))
            asked = clock()
            try:
                async with asyncio.timeout_at(trusted_until):
                    await self._queue.extend(job)
                trusted_until, pause = asked + LEASE_TRUST * length, length / 3
            except Unavailable as error:
                log.warning("job.heartbeat_missed", job=str(job.id), code=error.code)
                pause = length / 10
            except (LeaseLost, TimeoutError):
                log.warning("job.lease_lost", job=str(job.id))
                return

    async def _work(self, job: Job) -> None:
        """Call the job's handler; record its result or its failure."""
        with bound_contextvars(job=str(job.id), kind=job.kind, attempt=job.attempts):
            log.info("job.started")
            began = perf_counter()
            try:
                done = await self._handlers[job.kind](job, self._progress_of(job))
                async with self._queue.begin() as connection:
                    await self._queue.finish(connection, job, done.result)
                    if done.closing is not None:
                        await done.closing(connection)
                metrics.job_ended(job.kind, "done", perf_counter() - began)
                log.info("job.done")
            except asyncio.CancelledError as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                metrics.job_ended(job.kind, "failed", perf_counter() - began)
                await self._failed(job, error)  # the worker wasn't cancelled: the handler raised it, so it counts as a failure
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is the job's failure, not the worker's
                metrics.job_ended(job.kind, "failed", perf_counter() - began)
                await self._failed(job, cause_of(error))

    async def _failed(self, job: Job, error: BaseException) -> None:
        """Record a failed attempt, if this worker still holds the job."""
        failure = failure_of(error)
        try:
            state = None if isinstance(error, LeaseLost) else await self._queue.fail(job, failure)
        except LeaseLost:
            state = None
        except Unavailable as away:
            # The failure can't be recorded: the lease will expire and the job run again.
            log.warning("job.failed", code=failure.code, unrecorded=away.code)
            return
        if state is None:
            log.warning("job.lease_lost")
            return
        # Stack frames, not the error's text, which may quote the job's data.
        where = [] if isinstance(error, CairnError) else stack_frames(error)
        log.warning("job.failed", code=failure.code, reason=type(error).__name__, where=where, now=state)

    def _progress_of(self, job: Job) -> Progress:
        """Return a handler's progress callback, which records every PROGRESS_SECONDS and at the end.

        A failure to record progress is ignored; a lost lease is not.
        """
        recorded = -math.inf

        async def report(done: int, total: int) -> None:
            nonlocal recorded
            if done >= total or perf_counter() - recorded > PROGRESS_SECONDS:
                recorded = perf_counter()
                with suppress(Unavailable):
                    await self._queue.progress(job, done, total)

        return report
