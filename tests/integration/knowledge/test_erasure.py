"""All sessions of a removed developer are erased, by a job that goes on where it stopped, and by a sweep for what comes late."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.queue.jobs import Job, NewJob, Queue
from app.sessions import erasure as module
from app.sessions.erasure import ERASE, Erasure
from app.sessions.intake import INGEST
from app.settings import WorkerSettings
from tests.integration.knowledge.conftest import Bench, lesson


class ProcessKilled(BaseException):
    """Stands for the end of the process in the middle of the job."""


def open_erasure(bench: Bench) -> Erasure:
    return Erasure(bench.database, bench.accounts, Queue(bench.database, WorkerSettings()), bench.purge)


async def claimed(bench: Bench) -> Job:
    job = await Queue(bench.database, WorkerSettings()).claim("worker", [ERASE])
    assert job is not None
    return job


async def remove(bench: Bench, erasure: Erasure, name: str, *, erase: bool = True) -> UUID:
    async with bench.database.begin() as connection:
        removed = await bench.accounts.developers.remove(connection, name, erase_sessions=erase)
        if erase:
            await erasure.enqueue(connection, removed.id, removed.team_id)
    return removed.id


async def new_developer(bench: Bench) -> tuple[str, UUID]:
    name = f"dev-{uuid4().hex[:8]}"
    async with bench.database.begin() as connection:
        team = await connection.scalar(text("select name from teams where id = :id"), {"id": bench.team_id})
    return name, (await bench.accounts.create_developer(name, team=str(team))).id


async def left(bench: Bench, table: str, developer_id: UUID, column: str = "developer_id") -> int:
    async with bench.database.begin() as connection:
        return await connection.scalar(text(f"select count(*) from {table} where {column} = :id"), {"id": developer_id}) or 0


async def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


async def test_a_job_that_was_killed_goes_on_and_nothing_of_others_goes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    erasure = open_erasure(bench)
    (name, ada), (_, bob) = await new_developer(bench), await new_developer(bench)
    for number in range(5):
        await bench.teach(f"a{number}", [lesson(f"k{number}", f"port {number} of the relay is closed")], developer_id=ada)
    await bench.teach("b", [lesson("kb", "the mixer needs a restart")], developer_id=bob)
    await bench.session("admins")
    await remove(bench, erasure, name)

    async def dies(done: int, total: int) -> None:
        raise ProcessKilled

    job = await claimed(bench)
    with pytest.raises(ProcessKilled):
        await erasure.job(job, dies)
    assert await left(bench, "sessions", ada) == 3
    told: list[Any] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    assert (await erasure.job(job, progress)).result == {"erased": 3}
    assert told == [(2, 3), (3, 3)]
    assert [await left(bench, "sessions", each) for each in (ada, bob)] == [0, 1]
    assert len(await bench.listed()) == 2
    assert (await erasure.job(job, quiet)).result == {"erased": 0}


async def test_waiting_transcripts_are_erased_with_their_jobs(bench: Bench) -> None:
    erasure, queue = open_erasure(bench), Queue(bench.database, WorkerSettings())
    (name, ada), (_, bob) = await new_developer(bench), await new_developer(bench)
    async with bench.database.begin() as connection:
        for owner in (ada, bob):
            await connection.execute(
                text(
                    "insert into uploads (id, team_id, developer_id, transcript, format, state) values (:i, :t, :d, 'a', 'generic', 'complete')"
                ),
                {"i": uuid4(), "t": bench.team_id, "d": owner},
            )
            await connection.execute(
                text(
                    'insert into followed_transcripts (owner_id, source, team_id, "offset", tail, ended, updated_at)'
                    " values (:d, 'f', :t, 1, 't', false, now())"
                ),
                {"t": bench.team_id, "d": owner},
            )
            await queue.enqueue(connection, NewJob(INGEST, {"upload_id": str(uuid4())}, team_id=bench.team_id, developer_id=owner))
    await remove(bench, erasure, name)
    await erasure.job(await claimed(bench), quiet)
    for table, column in (("uploads", "developer_id"), ("followed_transcripts", "owner_id"), ("jobs", "developer_id")):
        assert [await left(bench, table, each, column) for each in (ada, bob)] == [0, 1], table


async def test_what_comes_after_the_job_is_swept_and_what_is_kept_is_not(bench: Bench) -> None:
    erasure = open_erasure(bench)
    (erased, ada), (kept, bob) = await new_developer(bench), await new_developer(bench)
    await bench.session("kept", developer_id=bob)
    await remove(bench, erasure, kept, erase=False)
    assert await erasure.sweep() == 0
    await remove(bench, erasure, erased)
    await erasure.job(await claimed(bench), quiet)
    await bench.session("late", developer_id=ada)
    assert await erasure.sweep() == 1
    assert await erasure.sweep() == 0
    assert [await left(bench, "sessions", each) for each in (ada, bob)] == [0, 1]


async def test_a_session_that_is_purged_meanwhile_stops_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    erasure = open_erasure(bench)
    name, ada = await new_developer(bench)
    sessions = [await bench.session(f"s{number}", developer_id=ada) for number in range(3)]
    await remove(bench, erasure, name)
    page = erasure._page

    async def purged_first(developers: Any) -> Any:
        found = await page(developers)
        if found:
            await bench.purge.erase(*found[0])
        return found

    monkeypatch.setattr(erasure, "_page", purged_first)
    await erasure.job(await claimed(bench), quiet)
    assert await left(bench, "sessions", ada) == 0
    assert len(sessions) == 3
