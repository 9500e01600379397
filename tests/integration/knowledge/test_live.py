"""Live events of many at once: each counted once, in order, redacted, and learnt; whoever else holds a session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, text

from app.errors import NotPermitted
from app.queue.jobs import Queue
from app.sessions.append import EventBatch
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.journal import CATCH_UP, LIVE_AFTER
from app.sessions.live import LiveIntake
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench
from tests.waiting import patience

SECRET = "AKIA" + "IOSFODNN7EXAMPLF"
WHO: dict[str, Any] = {"project": None, "developer_id": None}


@pytest.fixture
def queue(bench: Bench) -> Queue:
    return Queue(bench.database, Settings().worker)


@pytest.fixture
def live(bench: Bench, queue: Queue) -> LiveIntake:
    return bench.live()


def named(external_id: str) -> SessionHeader:
    return SessionHeader("generic", external_id)


def said(*ids: str, text: str = "hello") -> list[Event]:
    return [Event(each, "assistant", "reply", text, each) for each in ids]


async def rows(bench: Bench) -> list[tuple[int, str]]:
    async with bench.database.begin() as connection:
        return [
            (row.seq, row.event_id) for row in await connection.execute(text("select seq, event_id from events order by session_id, seq"))
        ]


async def jobs(bench: Bench) -> int:
    async with bench.database.begin() as connection:
        return int((await connection.execute(text("select count(*) from jobs where kind = 'catch_up' and state = 'queued'"))).scalar_one())


async def test_many_at_once_to_many_sessions_are_all_stored_once_in_few_transactions(bench: Bench, live: LiveIntake) -> None:
    team = bench.team_id
    for session in range(5):
        await live.append(team_id=team, session=named(f"s{session}"), events=said("first"), **WHO)
    commits = 0

    def counted(connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(bench.database._engine.sync_engine, "commit", counted)
    done = await asyncio.gather(
        *(live.append(team_id=team, session=named(f"s{n % 5}"), events=said(f"e{n}", f"f{n}"), **WHO) for n in range(100))
    )
    event.remove(bench.database._engine.sync_engine, "commit", counted)
    assert {(each.accepted, each.duplicates) for each in done} == {(2, 0)}
    stored = await rows(bench)
    assert len(stored) == 205
    assert [seq for seq, _ in stored] == [*range(1, 42)] * 5
    sessions = await bench.listed(team)
    assert {each.event_count for each in sessions} == {41}
    assert await jobs(bench) == 5
    assert commits < 20


async def test_the_same_events_sent_at_once_by_a_client_that_gave_up_are_taken_once(bench: Bench, live: LiveIntake) -> None:
    await live.append(team_id=bench.team_id, session=named("s"), events=said("0"), **WHO)
    done = await asyncio.gather(*(live.append(team_id=bench.team_id, session=named("s"), events=said("1", "2"), **WHO) for _ in range(10)))
    assert sum(each.accepted for each in done) == 2
    assert sum(each.duplicates for each in done) == 18
    assert await rows(bench) == [(1, "0"), (2, "1"), (3, "2")]


async def test_an_event_twice_in_one_request_is_taken_once(bench: Bench, live: LiveIntake) -> None:
    done = await live.append(team_id=bench.team_id, session=named("s"), events=said("1", "1"), **WHO)
    assert (done.accepted, done.duplicates) == (1, 1)


async def test_a_result_that_comes_later_is_filled_in_and_redacted(bench: Bench, live: LiveIntake) -> None:
    call = Event("t", "tool", "tool", "", "t", tool=ToolUse("bash", "env"))
    await live.append(team_id=bench.team_id, session=named("s"), events=[call], **WHO)
    ended = Event("t", "tool", "tool", "", "t", tool=ToolUse("bash", "env", f"KEY={SECRET}", 0), outcome="ok")
    done = await live.append(team_id=bench.team_id, session=named("s"), events=[ended], **WHO)
    assert (done.accepted, done.duplicates, sum(done.redactions.values())) == (0, 0, 1)
    async with bench.database.begin() as connection:
        stored = (await connection.execute(text("select tool_output, outcome from events"))).one()
    assert SECRET not in stored.tool_output
    assert "REDACTED" in stored.tool_output
    assert stored.outcome == "ok"


async def test_secrets_of_many_requests_are_counted_at_their_session(bench: Bench, live: LiveIntake) -> None:
    await live.append(team_id=bench.team_id, session=named("s"), events=said("0"), **WHO)
    await asyncio.gather(
        *(live.append(team_id=bench.team_id, session=named("s"), events=said(f"{n}", text=SECRET), **WHO) for n in range(1, 8))
    )
    (session,) = await bench.listed()
    assert sum(session.redactions.values()) == 7
    async with bench.database.begin() as connection:
        assert not (await connection.execute(text(f"select 1 from events where text like '%{SECRET}%'"))).all()


async def test_a_session_that_someone_holds_keeps_nobody_elses_events_waiting(bench: Bench, live: LiveIntake) -> None:
    for session in ("held", "free"):
        await live.append(team_id=bench.team_id, session=named(session), events=said("0"), **WHO)
    async with bench.database.begin() as connection:
        await connection.execute(text("select 1 from sessions where external_id = 'held' for update"))
        waiting = asyncio.create_task(live.append(team_id=bench.team_id, session=named("held"), events=said("1"), **WHO))
        async with patience():
            assert (await live.append(team_id=bench.team_id, session=named("free"), events=said("1"), **WHO)).accepted == 1
        assert not waiting.done()
    assert (await waiting).accepted == 1


async def test_after_a_purge_the_name_begins_a_new_session(bench: Bench, live: LiveIntake) -> None:
    first = await live.append(team_id=bench.team_id, session=named("s"), events=said("1"), **WHO)
    await bench.purge.delete_session(bench.requester(), first.session_id)
    again = await live.append(team_id=bench.team_id, session=named("s"), events=said("1"), **WHO)
    assert again.accepted == 1
    assert again.session_id != first.session_id


async def test_after_a_purge_a_name_may_become_anothers_and_is_then_refused(bench: Bench, live: LiveIntake) -> None:
    for name in ("ada", "bob"):
        await bench.accounts.create_developer(name)
    ada, bob = [each.id for each in await bench.accounts.list_developers()]
    begun = await live.append(team_id=bench.team_id, session=named("s"), project=None, developer_id=ada, events=said("1"))
    await bench.purge.delete_session(bench.requester(), begun.session_id)
    await live.append(team_id=bench.team_id, session=named("s"), project=None, developer_id=bob, events=said("1"))
    with pytest.raises(NotPermitted):
        await live.append(team_id=bench.team_id, session=named("s"), project=None, developer_id=ada, events=said("2"))


async def test_one_request_that_cannot_be_stored_fails_alone(bench: Bench, live: LiveIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    await live.append(team_id=bench.team_id, session=named("s"), events=said("0"), **WHO)
    storable = bench.journal.storable

    async def spoilt(events: list[Event]) -> object:
        made = await storable(events)
        if events[0].id == "bad":
            made[0].row["role"] = None
        return made

    monkeypatch.setattr(bench.journal, "storable", spoilt)
    done = await asyncio.gather(
        *(live.append(team_id=bench.team_id, session=named("s"), events=said(each), **WHO) for each in ("1", "bad", "2")),
        return_exceptions=True,
    )
    assert [isinstance(each, Exception) for each in done] == [False, True, False]
    assert {each for _, each in await rows(bench)} == {"0", "1", "2"}


async def test_events_that_come_while_their_job_is_taken_get_a_job_of_their_own(bench: Bench, queue: Queue, live: LiveIntake) -> None:
    await live.append(team_id=bench.team_id, session=named("s"), events=said("1"), **WHO)
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now()"))
    assert await queue.claim("w", (CATCH_UP,)) is not None
    await live.append(team_id=bench.team_id, session=named("s"), events=said("2"), **WHO)
    assert await jobs(bench) == 1


async def test_a_job_cannot_begin_before_the_events_that_it_is_to_learn_from_are_committed(
    bench: Bench, queue: Queue, live: LiveIntake
) -> None:
    begun = await live.append(team_id=bench.team_id, session=named("s"), events=said("1"), **WHO)
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now()"))
    stored = await bench.journal.storable(said("2"))
    async with bench.database.begin() as connection:
        await bench.journal.write(connection, [EventBatch(begun.session_id, stored)], wait=True, after=LIVE_AFTER)
        assert await queue.claim("w", (CATCH_UP,)) is None
    assert await queue.claim("w", (CATCH_UP,)) is not None
