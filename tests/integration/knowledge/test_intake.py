"""The hallway of a session, job by job, on real engines; words for vectors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.errors import NotFound, NotPermitted, UnknownFormat, VectorStoreUnavailable
from app.knowledge.results import Query
from app.queue.jobs import Job, Queue
from app.sessions.event import Event, GivenTranscript, SessionHeader
from app.sessions.intake import PURGED, SESSIONS_AT_ONCE, Intake
from app.sessions.live import LiveIntake
from app.settings import Settings
from app.storage.vectors.store import StoreStatus
from tests.integration.knowledge.conftest import Bench, lesson

REASON = "We chose NATS over Kafka because one binary without ZooKeeper is all that the on-call team can run."
SETTINGS = Settings()


@pytest.fixture
def queue(bench: Bench) -> Queue:
    return Queue(bench.database, SETTINGS.worker)


@pytest.fixture
def intake(bench: Bench, queue: Queue) -> Intake:
    return bench.intake(queue)


@pytest.fixture
def live(bench: Bench, queue: Queue) -> LiveIntake:
    return bench.live()


def transcript(session: str = "s1", body: str = REASON, **fields: object) -> bytes:
    records: list[dict[str, Any]] = [
        {"id": "1", "role": "user", "text": "Write the ADR", "session_id": session, **fields},
        {"id": "2", "role": "assistant", "text": body, "session_id": session},
    ]
    return "".join(json.dumps(each) + "\n" for each in records).encode()


async def submit(
    bench: Bench, intake: Intake, body: bytes, *, project: str | None = None, format: str = "auto", developer_id: UUID | None = None
) -> UUID:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    given = GivenTranscript("t.jsonl", project, format)  # type: ignore[arg-type]
    return await intake.submit(bench.requester(developer_id), stream(), given, limit=10**8)


async def run(bench: Bench, queue: Queue, intake: Intake) -> dict[str, Any]:
    """The next job, as the worker runs it."""

    async def progress(done: int, total: int) -> None:
        assert 0 <= done <= total

    job = await queue.claim("w", ("ingest", "catch_up"))
    assert job is not None
    done = await (intake.ingest if job.kind == "ingest" else bench.catch_up.job)(job, progress)
    async with queue.begin() as connection:
        await queue.finish(connection, job, done.result)
        if done.closing is not None:
            await done.closing(connection)
    return done.result


async def test_done_means_searchable_and_the_upload_is_gone(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript())
    report = await run(bench, queue, intake)
    assert report["knowledge"]["new"] == 1
    (found,) = (await bench.search.query(bench.team_id, Query(REASON, kinds=("item",)))).results
    assert (found.text, found.source.locator, found.source.transcript) == (REASON, "2", "t.jsonl")
    async with bench.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from uploads")) == 0


async def test_a_job_that_runs_again_after_it_was_cut_off_ends_the_same(bench: Bench, queue: Queue, intake: Intake) -> None:
    """Everything was done but its last transaction: the worker died there."""
    await submit(bench, intake, transcript())

    async def progress(done: int, total: int) -> None:
        pass

    job = await queue.claim("dead", ("ingest",))
    assert job is not None
    first = await intake.ingest(job, progress)
    again = await intake.ingest(job, progress)
    assert (first.result["knowledge"]["new"], again.result["knowledge"]["new"], again.result["events"]["new"]) == (1, 0, 0)
    assert len(await bench.items()) == 1


def chats(*bodies: str) -> bytes:
    """One file of aider's, a session for each answer."""
    chat = "# aider chat started at 2025-01-15 10:{:02}:00\n\n#### Write the ADR  \n\n{}\n\n"
    return "".join(chat.format(minute, body) for minute, body in enumerate(bodies)).encode()


async def test_a_files_sessions_are_projected_some_at_once_and_all_of_them(
    bench: Bench, queue: Queue, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = most = 0
    together = asyncio.Barrier(SESSIONS_AT_ONCE)
    whole = bench.catch_up.bring_up_to_date

    async def counted(*given: Any, **named: Any) -> bool:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.wait_for(together.wait(), 60)
        there = await whole(*given, **named)
        now -= 1
        return there

    monkeypatch.setattr(bench.catch_up, "bring_up_to_date", counted)
    count = 3 * SESSIONS_AT_ONCE
    bodies = [f"The retry budget of queue number {number} is {number + 1} attempts." for number in range(count)]
    await submit(bench, intake, chats(*bodies))
    report = await run(bench, queue, intake)
    assert most == SESSIONS_AT_ONCE
    assert len(report["sessions"]) == count
    assert sorted(await bench.passages()) == sorted([("Write the ADR", count), *((body, 1) for body in bodies)])


async def test_a_part_that_is_away_for_one_session_puts_the_whole_file_off(
    bench: Bench, queue: Queue, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bench.catch_up.bring_up_to_date
    asked = 0

    async def away_at_third(*given: Any, **named: Any) -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise VectorStoreUnavailable("Away.")
        return await whole(*given, **named)

    monkeypatch.setattr(bench.catch_up, "bring_up_to_date", away_at_third)
    await submit(bench, intake, chats(*(f"{REASON} Note {number}." for number in range(5))))
    with pytest.raises(VectorStoreUnavailable):
        await run(bench, queue, intake)


@pytest.mark.parametrize(
    ("directory", "project"),
    [
        ("/home/ada/shop", "shop"),
        ("C:\\work\\till\\", "till"),
        ("/home/ada/shop ", "shop"),
        ("/x/" + "y" * 300, "y" * 100),
        ("/x/a\u200bb", "a b"),
        ("/home/ada/shop/.worktrees/2", "shop"),
        ("/home/ada/shop/.claude/worktrees/fix-login/web", "shop"),
        ("/home/ada/shop-ghp_aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5", "shop-[REDACTED:github-pat]"),
        ("/", "default"),
        ("", "default"),
    ],
)
async def test_the_project_is_the_folder_the_session_worked_in(
    bench: Bench, queue: Queue, intake: Intake, directory: str, project: str
) -> None:
    await submit(bench, intake, transcript(cwd=directory))
    await run(bench, queue, intake)
    assert [each.name for each in await bench.accounts.find_projects(bench.team_id, project)] == [project]


async def test_a_file_of_which_no_session_can_be_read_fails_for_good_with_the_reason(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, b'{"type": "progress"}\n{"broken\n', format="claude-code")
    with pytest.raises(UnknownFormat, match=r"No session could be read from t\.jsonl as claude-code") as refused:
        await run(bench, queue, intake)
    assert "L2: not JSON" in refused.value.message


async def test_a_session_purged_while_its_transcript_waited_does_not_come_back(bench: Bench, queue: Queue, intake: Intake) -> None:
    await submit(bench, intake, transcript())
    (session,) = (await run(bench, queue, intake))["sessions"]
    await submit(bench, intake, transcript())
    await bench.purge.delete_session(bench.requester(), UUID(session))
    report = await run(bench, queue, intake)
    assert (report["skipped"], report["sessions"]) == ({PURGED: 1}, [])
    assert await bench.listed() == []
    assert await bench.items() == []
    await submit(bench, intake, transcript())  # sent after the purge: somebody wants it
    assert (await run(bench, queue, intake))["knowledge"]["new"] == 1


async def test_what_is_purged_while_it_is_learnt_from_stays_purged(bench: Bench) -> None:
    await bench.teach("s", [lesson("1", REASON)])
    await bench.purge.delete_session(bench.requester(), bench.sessions["s"])
    with pytest.raises(NotFound, match="deleted in the meantime"):
        await bench.teach("s", [lesson("1", REASON)])
    assert await bench.items() == []


async def test_while_the_index_lacks_items_nothing_new_is_stored_and_searches_say_so(
    bench: Bench, queue: Queue, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"]
    await bench.teach("s", [lesson(name, f"{name} {name} waits for {name} number {n}.") for n, name in enumerate(names)])
    with monkeypatch.context() as patched:  # a collection made anew

        async def empty() -> StoreStatus:
            return StoreStatus(0, 0)

        patched.setattr(bench.vectors, "status", empty)
        await submit(bench, intake, transcript())
        with pytest.raises(VectorStoreUnavailable, match="cairn index rebuild"):
            await run(bench, queue, intake)
        answer = await bench.search.query(bench.team_id, Query("alpha"))
        assert (answer.degraded, [result.title for result in answer.results]) == (("vectors",), ["Lesson"])
    await bench.index.rebuild()
    assert (await bench.search.query(bench.team_id, Query("alpha waits"))).degraded == ()


async def test_only_who_began_a_live_session_or_an_admin_adds_to_it(bench: Bench, live: LiveIntake) -> None:
    await bench.accounts.create_developer("ada")
    await bench.accounts.create_developer("bob")
    ada, bob = [each.id for each in await bench.accounts.list_developers()]
    event = Event("1", "user", "prompt", "hello", "1")
    ids: dict[str, Any] = {"team_id": bench.team_id, "session": SessionHeader("generic", "live-1"), "project": None}
    await live.append(developer_id=ada, events=[event], **ids)
    with pytest.raises(NotPermitted, match="Choose another session id"):
        await live.append(developer_id=bob, events=[replace(event, id="2", locator="2")], **ids)
    assert (await live.append(developer_id=None, events=[replace(event, id="3", locator="3")], **ids)).accepted == 1


async def test_a_developers_transcript_adds_nothing_to_anothers_session(bench: Bench, queue: Queue, intake: Intake) -> None:
    await bench.accounts.create_developer("ada")
    await bench.accounts.create_developer("bob")
    ada, bob = [each.id for each in await bench.accounts.list_developers()]
    await submit(bench, intake, transcript(), developer_id=ada)
    await run(bench, queue, intake)
    await submit(bench, intake, transcript() + transcript(body="We picked Kafka because nobody asked."), developer_id=bob)
    with pytest.raises(NotPermitted, match="belongs to another developer"):
        await run(bench, queue, intake)
    (session,) = await bench.listed()
    assert (session.developer_id, session.event_count) == (ada, 2)


async def test_what_a_live_session_says_in_a_burst_is_learnt_in_one_go(
    bench: Bench, queue: Queue, intake: Intake, live: LiveIntake
) -> None:
    ids: dict[str, Any] = {"team_id": bench.team_id, "session": SessionHeader("generic", "live-1"), "project": None, "developer_id": None}
    for number in range(5):
        await live.append(events=[Event(str(number), "assistant", "reply", REASON, str(number))], **ids)
    assert (await queue.counts())["queued"] == 1
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now()"))
    assert (await run(bench, queue, intake))["knowledge"]["new"] == 1


async def test_a_session_in_pieces_larger_than_a_batch_is_read_whole(bench: Bench, queue: Queue, intake: Intake) -> None:
    lines = [json.dumps({"id": str(n), "role": "user", "text": "x" * 50_000, "session_id": "big"}) + "\n" for n in range(120)]
    await submit(bench, intake, "".join(lines).encode())
    report = await run(bench, queue, intake)
    assert report["events"] == {"new": 120, "known": 0}


async def test_jobs_of_a_named_project_run_one_at_a_time(bench: Bench, queue: Queue, intake: Intake) -> None:
    for project in ("shop", "shop", "till", None, None):
        await submit(bench, intake, transcript(), project=project)
    taken: list[Job | None] = [await queue.claim("w", ("ingest",)) for _ in range(5)]
    assert sum(job is not None for job in taken) == 4
