"""After a purge no row of any table holds a word of the session or its file's name, whatever its jobs were doing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
import zstandard
from sqlalchemy import text

from app.errors import InvalidInput, UnknownFormat
from app.knowledge.unanswered import Unanswered
from app.queue.failure import Failure
from app.queue.jobs import Done, Job, Queue
from app.sessions.event import Event, GivenTranscript, SessionHeader
from app.sessions.intake import PURGED, Intake
from app.sessions.uploads import Uploads
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench

MARK = "zqxmark"
FILE = f'{MARK} "it\'s" übung\\{MARK}.jsonl'.replace("\\", "-")
"""With signs that JSON escapes, and letters that it need not."""
SETTINGS = Settings()


@pytest.fixture
def queue(bench: Bench) -> Queue:
    return Queue(bench.database, SETTINGS.worker)


@pytest.fixture
def intake(bench: Bench, queue: Queue) -> Intake:
    return bench.intake(queue)


def transcript(session: str = f"{MARK}-session", *, said: str = MARK, broken: bool = False) -> bytes:
    records: list[dict[str, Any]] = [
        {"id": f"{said}-1", "role": "user", "text": f"Why does {said} drop connections?", "session_id": session},
        {
            "id": f"{said}-2",
            "role": "assistant",
            "text": f"We chose {said} over Kafka because one binary is enough.",
            "session_id": session,
        },
        {"id": f"{said}-3", "role": "tool", "tool": {"name": f"{said}-tool", "input": said, "output": said}, "session_id": session},
        {"role": said, "text": said},
    ]
    return "".join(json.dumps(each) + "\n" for each in records).encode() + (b'{"broken\n' if broken else b"")


async def submit(bench: Bench, intake: Intake, body: bytes, *, name: str = FILE, format: str = "auto") -> UUID:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    given = GivenTranscript(name, format=format)  # type: ignore[arg-type]
    return await intake.submit(bench.requester(), stream(), given, limit=10**8)


async def no_progress(done: int, total: int) -> None: ...


async def claimed(queue: Queue) -> Job:
    job = await queue.claim("w", ("ingest", "catch_up"))
    assert job is not None
    return job


async def finish(queue: Queue, job: Job, done: Done) -> None:
    async with queue.begin() as connection:
        await queue.finish(connection, job, done.result)
        if done.closing is not None:
            await done.closing(connection)


async def run(queue: Queue, intake: Intake) -> UUID:
    """The next job, to its end. Returns the session that it read."""
    job = await claimed(queue)
    done = await intake.ingest(job, no_progress)
    await finish(queue, job, done)
    return UUID(done.result["sessions"][0])


async def purge(bench: Bench, session: UUID) -> None:
    await bench.purge.delete_session(bench.requester(), session)
    await bench.index.drain_to(2**62)


async def traces(bench: Bench, mark: str = MARK, *, without: tuple[str, ...] = ()) -> list[str]:
    """Every column of every table that holds the mark, packed or plain."""
    query = (
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        " and (data_type in ('text', 'character varying', 'jsonb', 'json', 'bytea', 'tsvector', 'ARRAY') or data_type like 'character%')"
    )
    found = []
    async with bench.database.begin() as connection:
        for table, column in (await connection.execute(text(query))).all():
            for (value,) in (await connection.execute(text(f'select "{column}" from "{table}" where "{column}" is not null'))).all():
                if mark.encode() in _bytes(value) and table not in without:
                    found.append(f"{table}.{column}: {value!r}")
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return zstandard.ZstdDecompressor().decompress(value) if value.startswith(b"\x28\xb5\x2f\xfd") else value
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)).encode()


async def states(bench: Bench) -> list[str]:
    async with bench.database.begin() as connection:
        return list(await connection.scalars(text("select state from jobs order by created_at")))


async def test_of_a_job_that_is_done_only_numbers_are_left(bench: Bench, queue: Queue, intake: Intake) -> None:
    job_id = await submit(bench, intake, transcript(broken=True))
    session = await run(queue, intake)
    assert len(await traces(bench)) > 5  # the dump sees what it looks for
    await purge(bench, session)
    assert await traces(bench) == []
    result = (await queue.get(job_id, team_id=bench.team_id)).result
    assert result is not None
    assert result["events"] == {"new": 3, "known": 0}
    assert (result["transcript"], result["sessions"], result["skipped"], result["problems"]) == ("transcript", [], {}, [])


async def test_of_a_job_that_waits_nothing_is_left_once_it_has_run(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript())
    session = await run(queue, intake)
    job_id = await submit(bench, intake, transcript())
    await purge(bench, session)
    assert await traces(bench, without=("upload_chunks",)) == []  # its bytes are still to be read: they may hold other sessions
    job = await claimed(queue)
    await finish(queue, job, await intake.ingest(job, no_progress))
    assert await traces(bench) == []
    result = (await queue.get(job_id, team_id=bench.team_id)).result
    assert result is not None
    assert result["skipped"] == {PURGED: 1}


Moment = Callable[[Bench, Queue, Intake, Job], Awaitable[None]]


@pytest.mark.parametrize("moment", ["before it reads", "while it reads", "while it learns", "before its last transaction", "within it"])
async def test_of_a_job_that_runs_nothing_is_left_once_it_has_ended(
    bench: Bench, queue: Queue, intake: Intake, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    await submit(bench, intake, transcript())
    first = await run(queue, intake)
    await submit(bench, intake, transcript() + transcript(said=f"{MARK}more"))
    job = await claimed(queue)
    purged = False

    async def now(*_: object) -> None:
        nonlocal purged
        if not purged:
            purged = True
            await purge(bench, first)

    def before(target: object, name: str) -> None:
        original = getattr(target, name)

        async def first_the_purge(*args: Any, **options: Any) -> Any:
            await now()
            return await original(*args, **options)

        monkeypatch.setattr(target, name, first_the_purge)

    if moment == "before it reads":
        await now()
    elif moment == "while it reads":
        before(bench.journal, "append")
    elif moment == "while it learns":
        before(bench.store, "known")
    done = await intake.ingest(job, no_progress)
    if moment == "before its last transaction":
        await now()
    await finish(queue, job, done)
    if moment == "within it":
        await now()
    assert purged
    assert await traces(bench) == []
    assert await states(bench) == ["done", "done"]


async def test_of_a_job_that_died_not_even_its_upload_is_left(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript())
    job = await claimed(queue)
    done = await intake.ingest(job, no_progress)
    assert await queue.fail(job, Failure("internal_error", f"It failed at {FILE}.", retryable=False)) == "failed"
    await purge(bench, UUID(done.result["sessions"][0]))
    assert await traces(bench) == []
    found = await queue.get(job.id, team_id=bench.team_id)
    assert found.error is not None
    assert (found.error["code"], found.error["message"]) == ("internal_error", "The data of this job was purged.")


async def test_of_a_job_that_read_the_session_under_another_name_nothing_is_left(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript(), name="first.jsonl")
    session = await run(queue, intake)
    await submit(bench, intake, transcript())
    job = await claimed(queue)
    await intake.ingest(job, no_progress)
    await queue.fail(job, Failure("internal_error", f"It failed at {FILE}.", retryable=False))
    await purge(bench, session)
    assert await traces(bench) == []
    assert await traces(bench, "first.jsonl") == []


async def test_of_a_job_that_is_to_be_tried_again_the_name_and_the_error_go(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript())
    job = await claimed(queue)
    done = await intake.ingest(job, no_progress)
    assert await queue.fail(job, Failure("internal_error", f"It failed at {FILE}.")) == "queued"
    await purge(bench, UUID(done.result["sessions"][0]))
    assert await traces(bench, without=("upload_chunks",)) == []
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now()"))
    again = await claimed(queue)
    await finish(queue, again, await intake.ingest(again, no_progress))
    assert await traces(bench) == []


@pytest.mark.parametrize("begun", [True, False], ids=["read", "never read"])
async def test_of_a_job_that_dies_after_the_purge_the_next_sweep_leaves_nothing(
    bench: Bench, queue: Queue, intake: Intake, *, begun: bool
) -> None:
    await submit(bench, intake, transcript())
    session = await run(queue, intake)
    await submit(bench, intake, transcript())
    job = await claimed(queue)
    if begun:
        await intake.ingest(job, no_progress)
    await purge(bench, session)
    await queue.fail(job, Failure("internal_error", "It failed.", retryable=False))
    await submit(bench, intake, transcript(session="other", said="other"), name="other.jsonl")
    assert await Uploads(bench.database).sweep(24) == 1
    assert await traces(bench) == []
    assert await traces(bench, "other.jsonl") != []


async def test_an_earlier_file_of_the_same_name_that_failed_tells_nothing_either(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, b'{"type": "progress"}\n', format="claude-code")
    job = await claimed(queue)
    with pytest.raises(UnknownFormat) as refused:
        await intake.ingest(job, no_progress)
    assert MARK in refused.value.message
    await queue.fail(job, Failure("unknown_format", refused.value.message, retryable=False))
    await submit(bench, intake, transcript())
    await purge(bench, await run(queue, intake))
    assert await traces(bench) == []


async def test_other_sessions_of_the_same_file_and_other_files_keep_what_is_theirs(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript(session="other", said="other"), name="other.jsonl")
    other = await run(queue, intake)
    both = transcript(session=f"{MARK}-session") + transcript(session="second", said="second")
    await submit(bench, intake, both, format="generic")
    await run(queue, intake)
    (mine,) = [each.id for each in await bench.listed() if each.external_id == f"{MARK}-session"]
    await purge(bench, mine)
    left = {each.external_id for each in await bench.listed()}
    assert "other" in left
    async with bench.database.begin() as connection:
        results = list(await connection.scalars(text("select result from jobs order by created_at")))
    assert (results[0]["transcript"], results[0]["sessions"]) == ("other.jsonl", [str(other)])
    assert str(mine) not in results[1]["sessions"]


async def test_a_live_sessions_own_name_goes_too(bench: Bench, queue: Queue, intake: Intake) -> None:
    live = bench.live()
    event = Event(f"{MARK}-1", "user", "prompt", f"We chose {MARK} because it is enough", f"{MARK}-1")
    done = await live.append(
        team_id=bench.team_id, developer_id=None, session=SessionHeader("generic", f"{MARK}-live"), project=None, events=[event]
    )
    await purge(bench, done.session_id)
    assert await traces(bench) == []


async def test_a_purge_by_an_older_cairn_is_still_remembered(bench: Bench, queue: Queue, intake: Intake) -> None:
    """It kept the session's own id; what waits must not bring the session back after the upgrade."""
    await submit(bench, intake, transcript())
    await purge(bench, await run(queue, intake))
    await submit(bench, intake, transcript())
    async with bench.database.begin() as connection:
        changed = {"name": f"{MARK}-session"}
        await connection.execute(text("update sessions_purged set external_id = :name, purged_at = now() + interval '1 s'"), changed)
    job = await claimed(queue)
    done = await intake.ingest(job, no_progress)
    assert (done.result["sessions"], done.result["skipped"]) == ([], {PURGED: 1})


async def test_a_question_that_nobody_could_answer_is_its_askers_and_stays(bench: Bench, queue: Queue, intake: Intake) -> None:
    """It is no trace of the session: somebody asked it. It goes after its own time."""
    unanswered = Unanswered(bench.database)
    unanswered.record(bench.team_id, f"What is {MARK}?")
    await unanswered.write()
    await submit(bench, intake, transcript())
    await purge(bench, await run(queue, intake))
    assert [each.partition(":")[0] for each in await traces(bench)] == ["knowledge_unanswered.question"]


async def test_an_upload_without_a_name_of_its_own_costs_no_other_its_upload(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript(), name="")
    session = await run(queue, intake)
    await submit(bench, intake, transcript(session="other", said="other"), name="")
    job = await claimed(queue)
    await queue.fail(job, Failure("internal_error", "x", retryable=False))
    await purge(bench, session)
    async with bench.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from uploads")) == 1
    with pytest.raises(InvalidInput, match="empty"):
        await submit(bench, intake, b"")
