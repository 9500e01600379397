"""The worker: it ends what it began, or gives it back; a handler's fault is the job's, not the worker's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from app.errors import InvalidInput
from app.queue.jobs import CLAIM_LOCK, Done, Handler, Job, NewJob, Progress, Queue
from app.queue.worker import Worker
from app.settings import WorkerSettings
from app.storage.database import Database
from tests.waiting import PATIENCE_SECONDS, patience

SETTINGS = WorkerSettings(
    concurrency=2, poll_seconds=0.01, lease_seconds=60, max_attempts=2, backoff_seconds=0.01, backoff_max_seconds=0.01, stop_seconds=0.05
)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database, SETTINGS)


@asynccontextmanager
async def working(queue: Queue, handler: Handler, settings: WorkerSettings = SETTINGS) -> AsyncIterator[Worker]:
    worker = Worker(queue, {"work": handler}, settings)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


async def put(queue: Queue) -> UUID:
    async with queue.begin() as connection:
        return await queue.enqueue(connection, NewJob(kind="work", payload={}))


async def until(queue: Queue, job: UUID, test: Callable[[Job], bool]) -> Job:
    async with patience():
        while not test(found := await queue.get(job, team_id=None)):
            await asyncio.sleep(0.01)
    return found


def ended(job: Job) -> bool:
    return job.state in {"done", "failed"}


async def test_the_result_and_the_closing_are_one(queue: Queue, database: Database) -> None:
    async def handler(job: Job, progress: Progress) -> Done:
        await progress(3, 4)

        async def closing(connection: object) -> None:
            await connection.execute(text("insert into teams (id, name) values (gen_random_uuid(), 'closed')"))  # type: ignore[attr-defined]

        return Done({"made": 1}, closing)

    job = await put(queue)
    async with working(queue, handler):
        found = await until(queue, job, ended)
    assert (found.state, found.result, found.progress_done, found.progress_total) == ("done", {"made": 1}, 3, 4)
    async with database.begin() as connection:
        assert await connection.scalar(text("select count(*) from teams where name = 'closed'")) == 1


@pytest.mark.parametrize(
    ("fault", "code", "attempts"),
    [
        (InvalidInput("Wrong.", param="file"), "invalid_input", 1),
        (RuntimeError("the password is hunter2"), "internal_error", 2),
        (asyncio.CancelledError(), "internal_error", 2),
        (ExceptionGroup("one", [InvalidInput("Wrong.")]), "invalid_input", 1),
    ],
)
async def test_a_fault_is_the_jobs_and_is_told_without_its_words(queue: Queue, fault: BaseException, code: str, attempts: int) -> None:
    async def handler(job: Job, progress: Progress) -> Done:
        raise fault

    job = await put(queue)
    async with working(queue, handler):
        found = await until(queue, job, ended)
    assert found.error is not None
    assert (found.state, found.error["code"], found.attempts) == ("failed", code, attempts)
    assert "hunter2" not in found.error["message"]


async def test_a_stop_gives_back_what_would_not_end_in_time(queue: Queue) -> None:
    begun = asyncio.Event()

    async def endless(job: Job, progress: Progress) -> Done:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    job = await put(queue)
    async with working(queue, endless):
        await begun.wait()
    found = await queue.get(job, team_id=None)
    assert (found.state, found.attempts, found.worker) == ("queued", 0, None)


async def lease_end(database: Database, job: UUID) -> datetime:
    """When the job may be taken over, as the table has it."""
    async with database.begin() as connection:
        found = await connection.scalar(text("select lease_until from jobs where id = :id"), {"id": job})
    assert isinstance(found, datetime), "nobody holds a lease of it"
    return found


async def test_long_work_keeps_its_lease(database: Database) -> None:
    settings = SETTINGS.model_copy(update={"lease_seconds": 9})  # extended every 3 s; a pause of 4 s more doesn't lose it
    queue, release = Queue(database, settings), asyncio.Event()

    async def long(job: Job, progress: Progress) -> Done:
        await release.wait()
        return Done({})

    job = await put(queue)
    async with working(queue, long, settings), working(queue, long, settings):
        first = await until(queue, job, lambda found: found.state == "running")
        end = await lease_end(database, job)
        for _ in range(2):
            async with patience():
                while (extended := await lease_end(database, job)) == end:
                    await asyncio.sleep(0.05)
            assert extended > end
            end = extended
        still = await queue.get(job, team_id=None)
        assert (still.worker, still.attempts) == (first.worker, 1)
        release.set()
        assert (await until(queue, job, ended)).state == "done"


async def test_progress_is_recorded_now_and_then_and_at_the_end(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[int] = []
    whole = Queue.progress

    async def counted(self: Queue, job: Job, done: int, total: int) -> None:
        recorded.append(done)
        await whole(self, job, done, total)

    monkeypatch.setattr(Queue, "progress", counted)
    monkeypatch.setattr("app.queue.worker.PROGRESS_SECONDS", 3600)

    async def handler(job: Job, progress: Progress) -> Done:
        for done in range(1, 101):
            await progress(done, 100)
        return Done({})

    job = await put(queue)
    async with working(queue, handler):
        found = await until(queue, job, ended)
    assert recorded == [1, 100]
    assert (found.progress_done, found.progress_total) == (100, 100)


async def test_two_at_once_and_no_more(queue: Queue) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def handler(job: Job, progress: Progress) -> Done:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await release.wait()
        running -= 1
        return Done({})

    jobs = [await put(queue) for _ in range(5)]
    async with working(queue, handler):
        async with patience():
            while running < 2:
                await asyncio.sleep(0.01)
        release.set()
        for job in jobs:
            await until(queue, job, ended)
    assert most == 2


async def test_of_idle_slots_one_asks_for_work_and_all_work_at_once_when_there_is_enough(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, most_asking, together = 0, 0, asyncio.Barrier(3)
    claim = queue.claim

    async def counted(worker: str, kinds: Collection[str]) -> Job | None:
        nonlocal asking, most_asking
        asking += 1
        most_asking = max(most_asking, asking)
        try:
            return await claim(worker, kinds)
        finally:
            asking -= 1

    async def handler(_: Job, __: Progress) -> Done:
        await together.wait()
        return Done({})

    monkeypatch.setattr(queue, "claim", counted)
    async with working(queue, handler, SETTINGS.model_copy(update={"concurrency": 3})):
        jobs = [await put(queue) for _ in range(3)]
        for job in jobs:
            assert (await until(queue, job, ended)).state == "done"
    assert most_asking == 1


async def test_a_worker_that_finds_nothing_due_takes_no_lock(queue: Queue, database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": CLAIM_LOCK})
        assert await asyncio.wait_for(queue.claim("a", ["work"]), PATIENCE_SECONDS) is None
