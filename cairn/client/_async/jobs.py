"""Jobs: shown, and waited for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Unpack

from cairn.client._async.runtime import sleep
from cairn.client._async.transport import AsyncTransport
from cairn.client.endpoints import JOB, JOBS
from cairn.client.errors import JobFailed, TimedOut
from cairn.client.inputs import JobFilters
from cairn.client.records.sessions import Job, JobPage, ListedJob
from cairn.client.requests import Given

FIRST_PAUSE, MAX_PAUSE = 0.1, 1.0
DEFAULT_WAIT_SECONDS = 600.0


class AsyncJobs:
    """Background work of the server: `client.jobs`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return await self._transport.call(JOB, Given(path={"job_id": job_id}))

    async def page(self, *, cursor: str | None = None, limit: int | None = None, **filters: Unpack[JobFilters]) -> JobPage:
        """Return one page of jobs, the newest first unless `order` says otherwise. `cursor`: `next_cursor` of the page before."""
        return await self._transport.call(JOBS, Given(query={**filters, "limit": limit, "cursor": cursor}))

    async def list(self, *, page_size: int | None = None, **filters: Unpack[JobFilters]) -> AsyncIterator[ListedJob]:
        """Iterate over jobs: one's own, to a lead or admin those of the team. Pages are asked for as they are needed."""
        async for each in self._transport.every(JOBS, Given(query={**filters, "limit": page_size}), "jobs"):
            yield each

    async def wait(self, job_id: str, *, seconds: float = DEFAULT_WAIT_SECONDS, progress: Callable[[Job], None] | None = None) -> Job:
        """Wait until a job is done. `progress` is called with the job each time it was looked at.

        Raises JobFailed with what the job says, TimedOut after `seconds`: the job goes on, and may be waited for again.
        """
        until, pause = time.monotonic() + seconds, FIRST_PAUSE
        while True:
            job = await self.get(job_id)
            if progress is not None:
                progress(job)
            if job.state == "failed":
                told = job.error
                raise JobFailed(told.message if told else "The job failed.", code=told.code if told else None)
            if job.ended:
                return job
            left = until - time.monotonic()
            if left <= 0:
                raise TimedOut(f"The job {job_id} is {job.state} after {seconds:g} seconds, and goes on: wait for it again, or look later.")
            await sleep(min(pause, left))
            pause = min(pause * 1.5, MAX_PAUSE)


class AsyncPendingJob:
    """A job that was just begun. `id`: to look at it later, also from another process."""

    def __init__(self, job_id: str, jobs: AsyncJobs) -> None:
        self.id = job_id
        self._jobs = jobs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def get(self) -> Job:
        """Return the job as it is now."""
        return await self._jobs.get(self.id)

    async def wait(self, *, seconds: float = DEFAULT_WAIT_SECONDS, progress: Callable[[Job], None] | None = None) -> Job:
        """Wait until it is done; see `client.jobs.wait`."""
        return await self._jobs.wait(self.id, seconds=seconds, progress=progress)
