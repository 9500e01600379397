"""The queue's promises, on a real PostgreSQL: durable, one at a time in a lane, taken over, buried, idempotent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.clock import now
from app.errors import NotFound, VectorStoreUnavailable
from app.queue.failure import Failure, failure_of, outage_backoff_seconds
from app.queue.jobs import LOW, NORMAL, Job, LeaseLost, NewJob, Queue
from app.settings import WorkerSettings
from app.storage.database import Database

KINDS = ("work",)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database, WorkerSettings(lease_seconds=60, max_attempts=3, backoff_seconds=0.01, backoff_max_seconds=0.02))


async def put(queue: Queue, *, lane: str | None = None, key: str | None = None, payload: dict[str, object] | None = None) -> UUID:
    async with queue.begin() as connection:
        return await queue.enqueue(connection, NewJob(kind="work", payload=payload or {}, lane=lane, idempotency_key=key))


async def take(queue: Queue, worker: str = "w") -> Job:
    job = await queue.claim(worker, KINDS)
    assert job is not None
    return job


async def finish(queue: Queue, job: Job) -> None:
    async with queue.begin() as connection:
        await queue.finish(connection, job, {"found": 1})


async def lapse(database: Database) -> None:
    """As if the lease had passed: its worker is dead."""
    async with database.begin() as connection:
        await connection.execute(text("update jobs set lease_until = now() - interval '1 second' where state = 'running'"))


async def due(database: Database) -> None:
    """As if the backoff had passed."""
    async with database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now() where state = 'queued'"))


async def test_a_job_whose_transaction_is_rolled_back_never_was(queue: Queue) -> None:
    with pytest.raises(ZeroDivisionError):
        async with queue.begin() as connection:
            await queue.enqueue(connection, NewJob(kind="work", payload={}))
            raise ZeroDivisionError
    assert await queue.claim("w", KINDS) is None


async def test_jobs_run_oldest_first_and_each_once(queue: Queue) -> None:
    ids = [await put(queue) for _ in range(5)]
    taken = await asyncio.gather(*(queue.claim(f"w{n}", KINDS) for n in range(8)))
    assert sorted(str(job.id) for job in taken if job) == sorted(map(str, ids))
    assert (await queue.counts())["running"] == 5


async def test_a_kind_nobody_handles_waits(queue: Queue) -> None:
    await put(queue)
    assert await queue.claim("w", ("other",)) is None


async def test_one_lane_runs_one_at_a_time_in_order(queue: Queue) -> None:
    first, second = await put(queue, lane="shop"), await put(queue, lane="shop")
    other = await put(queue, lane="till")
    one = await take(queue)
    assert one.id == first
    assert (await take(queue)).id == other
    assert await queue.claim("w", KINDS) is None
    await finish(queue, one)
    assert (await take(queue)).id == second


async def test_a_dead_workers_job_is_taken_over_and_what_it_still_does_is_refused(queue: Queue, database: Database) -> None:
    await put(queue)
    dead = await take(queue, "dead")
    await lapse(database)
    alive = await take(queue, "alive")
    assert (alive.id, alive.attempts) == (dead.id, 2)
    for late in (queue.extend(dead), queue.progress(dead, 1, 2), finish(queue, dead), queue.fail(dead, Failure("x", "x"))):
        with pytest.raises(LeaseLost):
            await late
    await finish(queue, alive)
    assert (await queue.get(alive.id, team_id=None)).result == {"found": 1}


async def test_a_job_that_kills_each_worker_is_buried_with_the_reason(queue: Queue, database: Database) -> None:
    job_id = await put(queue)
    for _ in range(3):
        await take(queue)
        await lapse(database)
    assert await queue.claim("w", KINDS) is None
    dead = await queue.get(job_id, team_id=None)
    assert (dead.state, dead.error and dead.error["code"], dead.error and dead.error["attempts"]) == ("failed", "worker_died", 3)


async def test_a_failure_that_may_pass_is_tried_again_then_given_up(queue: Queue, database: Database) -> None:
    job_id = await put(queue)
    states = []
    for _ in range(3):
        await due(database)
        states.append(await queue.fail(await take(queue), Failure("database_unavailable", "PostgreSQL is away.")))
    assert states == ["queued", "queued", "failed"]
    assert (await queue.get(job_id, team_id=None)).error == {
        "code": "database_unavailable",
        "message": "PostgreSQL is away.",
        "attempts": 3,
    }


async def test_while_a_part_is_away_no_attempt_counts_until_the_job_is_a_day_old(queue: Queue, database: Database) -> None:
    job_id = await put(queue)
    away = failure_of(VectorStoreUnavailable("Qdrant doesn't answer."))
    for _ in range(5):
        await due(database)
        assert await queue.fail(await take(queue), away) == "queued"
    waiting = await queue.get(job_id, team_id=None)
    assert (waiting.attempts, waiting.error and waiting.error["code"]) == (0, "vector_store_unavailable")
    async with database.begin() as connection:
        await connection.execute(text("update jobs set attempts = 2, run_at = now(), created_at = now() - interval '25 hours'"))
    assert await queue.fail(await take(queue), away) == "failed"


def test_the_longer_a_part_is_away_the_rarer_it_is_tried() -> None:
    settings = WorkerSettings()
    assert 1 <= outage_backoff_seconds(0, settings) <= 2
    assert 50 <= outage_backoff_seconds(400, settings) <= 100
    assert outage_backoff_seconds(80_000, settings) <= settings.backoff_max_seconds


async def test_a_failure_for_good_is_not_tried_again(queue: Queue) -> None:
    await put(queue)
    assert await queue.fail(await take(queue), Failure("unknown_format", "No transcript.", retryable=False)) == "failed"
    assert await queue.claim("w", KINDS) is None


async def test_a_job_that_waits_for_its_next_attempt_lets_the_lane_pass(queue: Queue, database: Database) -> None:
    first, second = await put(queue, lane="shop"), await put(queue, lane="shop")
    job = await take(queue)
    assert job.id == first
    await queue.fail(job, Failure("x", "x"))
    async with database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now() + interval '1 hour' where id = :id"), {"id": first})
    assert (await take(queue)).id == second


async def test_a_job_handed_back_is_free_at_once_and_the_attempt_does_not_count(queue: Queue) -> None:
    await put(queue)
    await queue.hand_back(await take(queue, "stopping"))
    assert (await take(queue, "next")).attempts == 1


async def test_a_key_names_one_waiting_job_and_no_running_one(queue: Queue) -> None:
    """A job that runs may have read before what it is asked for now was written."""
    ids = await asyncio.gather(*(put(queue, key="same") for _ in range(8)))
    assert len(set(ids)) == 1
    running = await take(queue)
    second = await put(queue, key="same")
    assert second not in ids
    await queue.hand_back(running)
    assert await put(queue, key="same") == second


async def test_only_a_due_job_that_somebody_asked_for_makes_background_work_give_way(queue: Queue, database: Database) -> None:
    for priority, run_at in ((LOW, None), (NORMAL, now() + timedelta(hours=1))):
        async with queue.begin() as connection:
            await queue.enqueue(connection, NewJob(kind="work", payload={}, priority=priority, run_at=run_at))
    assert not await queue.requested_waits()
    await due(database)
    assert await queue.requested_waits()
    await finish(queue, await take(queue))
    assert not await queue.requested_waits()


async def test_a_rollback_of_closing_undoes_the_finish(queue: Queue) -> None:
    job_id = await put(queue)
    job = await take(queue)
    with pytest.raises(ZeroDivisionError):
        async with queue.begin() as connection:
            await queue.finish(connection, job, {})
            raise ZeroDivisionError
    assert (await queue.get(job_id, team_id=None)).state == "running"


async def test_what_postgresql_cannot_hold_is_stored_without_it(queue: Queue) -> None:
    job_id = await put(queue, payload={"na\x00me": ["a\x00b", "\ud800"]})
    assert (await queue.get(job_id, team_id=None)).payload == {"name": ["ab", "?"]}


async def test_progress_of_a_huge_file_keeps_its_share(queue: Queue) -> None:
    await put(queue)
    job = await take(queue)
    await queue.progress(job, 2**40, 2**41)
    told = await queue.get(job.id, team_id=None)
    assert told.progress_done * 2 == told.progress_total


async def test_finished_jobs_are_swept_in_time_and_no_others(queue: Queue, database: Database) -> None:
    done, waiting = await put(queue), await put(queue)
    await finish(queue, await take(queue))
    assert await queue.sweep() == 0
    assert await queue.sweep(older_than=timedelta(0)) == 1
    with pytest.raises(NotFound, match="kept for 7 days"):
        await queue.get(done, team_id=None)
    assert (await queue.get(waiting, team_id=None)).state == "queued"
