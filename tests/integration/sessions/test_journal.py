"""The journal: append-only, each event once, no secret, nothing of another team."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.errors import NotFound
from app.sessions.event import Event, SessionHeader, ToolUse
from tests.integration.sessions.conftest import Desk

AT = datetime(2026, 10, 1, tzinfo=UTC)
SECRET = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"


def said(number: int, body: str = "", **fields: object) -> Event:
    return replace(Event(f"e{number}", "user", "prompt", body or f"text {number}", f"L{number}", AT + timedelta(minutes=number)), **fields)  # type: ignore[arg-type]


def call(number: int, output: str = "", **fields: object) -> Event:
    return replace(Event(f"e{number}", "tool", "tool", "", f"L{number}", tool=ToolUse("Bash", "make", output)), **fields)  # type: ignore[arg-type]


async def read(desk: Desk, session_id: object) -> list[Event]:
    return [event async for event in desk.journal.events(session_id)]  # type: ignore[arg-type]


async def test_events_come_back_as_they_went_in_and_in_order(desk: Desk) -> None:
    session = await desk.session()
    events = [said(1), call(2, "ok", outcome="ok"), said(3, "思考 🙂", speaker="ada"), said(4, sidechain=True)]
    assert (await desk.journal.append(session, events)).new == 4
    assert await read(desk, session) == events


async def test_more_than_a_page_keeps_its_order(desk: Desk) -> None:
    session = await desk.session()
    events = [said(number) for number in range(1201)]
    assert (await desk.journal.append(session, events)).new == 1201
    assert [event.id for event in await read(desk, session)] == [event.id for event in events]


async def test_the_same_again_and_a_grown_file_add_only_what_is_new(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [said(1), said(2)])
    again = await desk.journal.append(session, [said(1, "another text"), said(2), said(3), said(3)])
    assert (again.new, again.known) == (1, 3)
    assert [event.text for event in await read(desk, session)] == ["text 1", "text 2", "text 3"]


async def test_a_result_that_comes_later_completes_its_call_once(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [call(1)])
    later = await desk.journal.append(session, [call(1, f"token {SECRET}", outcome="failed")])
    last = await desk.journal.append(session, [call(1, "something else", outcome="ok")])
    assert (later.updated, dict(later.redactions), last.updated, last.known) == (1, {"github-pat": 1}, 0, 1)
    (event,) = await read(desk, session)
    assert event.tool is not None
    assert (event.outcome, SECRET in event.tool.output) == ("failed", False)


async def test_a_turn_that_a_growing_file_had_cut_off_becomes_whole(desk: Desk) -> None:
    session = await desk.session()
    half = replace(said(2), id="hash-of-half", text="We decided to use NA", kind="reply", role="assistant")
    whole = replace(half, id="hash-of-whole", text="We decided to use NATS, since it is one binary.")
    await desk.journal.append(session, [said(1), half])
    appended = await desk.journal.append(session, [said(1), whole, said(3)])
    assert (appended.new, appended.updated, appended.known) == (1, 1, 1)
    assert [event.id for event in await read(desk, session)] == ["e1", "hash-of-whole", "e3"]
    assert (await desk.journal.get(desk.team_id, session)).event_count == 3


@pytest.mark.parametrize("change", [{"locator": "L9"}, {"kind": "notice"}, {"text": "Something else"}])
async def test_only_the_beginning_of_the_same_turn_is_replaced(desk: Desk, change: dict[str, str]) -> None:
    session = await desk.session()
    half = replace(said(2), text="We decided")
    await desk.journal.append(session, [half])
    assert (await desk.journal.append(session, [replace(half, **({"id": "other", "text": "We decided to go"} | change))])).new == 1  # type: ignore[arg-type]


async def test_concurrent_appends_to_one_session_leave_neither_gap_nor_double(desk: Desk) -> None:
    session = await desk.session()
    parts = [[said(number) for number in range(start, start + 30)] for start in (0, 10, 20, 30, 0)]
    appended = await asyncio.gather(*(desk.journal.append(session, part) for part in parts))
    assert sum(each.new for each in appended) == 60
    async with desk.database.begin() as connection:
        seqs = list(await connection.scalars(text("select seq from events order by seq")))
    assert seqs == list(range(1, 61))
    assert (await desk.journal.get(desk.team_id, session)).event_count == 60


async def test_no_way_leads_a_secret_past_the_journal(desk: Desk) -> None:
    session = await desk.session(f"id-{SECRET}")
    where = [said(1, f"my token is {SECRET}"), call(2, f"out {SECRET}"), said(3, speaker=SECRET), said(4, locator=SECRET)]
    hidden = replace(said(5), id=f"id {SECRET}")
    await desk.journal.append(session, [*where, hidden, replace(call(6), tool=ToolUse(SECRET, f'{{"token": "{SECRET}"}}'))])
    async with desk.database.begin() as connection:
        for table in ("sessions", "events"):
            rows = await connection.scalars(text(f"select row_to_json({table})::text from {table}"))
            assert not [row for row in rows if SECRET[:24] in row]


async def test_its_dates_are_those_of_its_events(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [said(5), call(1)])
    await desk.journal.append(session, [said(2), said(9)])
    found = await desk.journal.get(desk.team_id, session)
    assert (found.started_at, found.ended_at) == (AT + timedelta(minutes=2), AT + timedelta(minutes=9))


async def test_the_same_session_is_one_row_and_later_headers_fill_its_gaps(desk: Desk) -> None:
    ids = await asyncio.gather(*(desk.session("same") for _ in range(8)))
    assert len(set(ids)) == 1
    async with desk.database.begin() as connection:
        for title in ("First title", "Second title"):
            header = SessionHeader("generic", "same", title=title, started_at=AT)
            await desk.journal.open(
                connection, team_id=desk.team_id, project_id=desk.project_id, developer_id=None, header=header, transcript="x"
            )
    found = await desk.journal.get(desk.team_id, ids[0])
    assert (found.title, found.started_at, found.transcript) == ("First title", AT, "t.jsonl")


async def test_another_teams_session_of_the_same_id_is_another(desk: Desk) -> None:
    team = (await desk.accounts.create_team("other")).id
    mine, theirs = await desk.session("same"), await desk.session("same", team_id=team)
    assert mine != theirs
    with pytest.raises(NotFound):
        await desk.journal.get(desk.team_id, theirs)
    with pytest.raises(NotFound):
        await desk.journal.resolve(desk.team_id, str(theirs))
    assert await desk.journal.resolve(desk.team_id, "same") == mine
    assert await desk.journal.resolve(desk.team_id, str(mine)) == mine
    assert await desk.journal.resolve(desk.team_id, str(uuid4())) is None


async def test_an_append_to_what_was_deleted_says_so(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [said(1)])
    async with desk.database.begin() as connection:
        await desk.journal.delete(connection, desk.team_id, session)
    with pytest.raises(NotFound, match="Ingest its transcript again only if the deletion was a mistake"):
        await desk.journal.append(session, [said(2)])
    assert await read(desk, session) == []


async def test_a_long_output_is_read_from_its_end(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [call(1, "a" * 500 + "THE VERDICT")])
    (event,) = [each async for each in desk.journal.events(session, max_output_chars=11)]
    assert event.tool is not None
    assert event.tool.output == "THE VERDICT"
