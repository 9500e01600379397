"""Sessions that go on, found by what came of late and happened of late; and what each does, by its latest events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.sessions import under_way
from app.sessions.event import Event, Kind, ToolUse
from app.sessions.session import Activity, LastCall
from app.sessions.under_way import MAX_FILES, SessionsUnderWay
from tests.integration.sessions.conftest import Desk

NOW = datetime.now(UTC)
PERIOD = timedelta(minutes=15)


def said(number: int, words: str, kind: Kind = "prompt", *, minutes: float | None = 0, sidechain: bool = False) -> Event:
    at = None if minutes is None else datetime.now(UTC) - timedelta(minutes=minutes)
    return Event(f"e{number}", "user", kind, words, f"L{number}", at, sidechain=sidechain)


def called(number: int, command: str, *files: str, sidechain: bool = False) -> Event:
    tool = ToolUse("Bash", command, "done", 0)
    return Event(f"e{number}", "tool", "tool", "", f"L{number}", NOW, tool=tool, outcome="ok", sidechain=sidechain, files=files)


async def found(desk: Desk, team_id: UUID | None = None) -> list[str]:
    return [
        each.external_id
        for each in await SessionsUnderWay(desk.database).find(team_id or desk.team_id, datetime.now(UTC) - PERIOD, limit=100)
    ]


async def test_a_session_is_under_way_while_its_last_event_is_recent(desk: Desk) -> None:
    for name, minutes in (("recent", 1.0), ("old", 20.0), ("untimed", None)):
        session = await desk.session(name)
        await desk.journal.append(session, [said(1, "Before.", minutes=60), said(2, name, minutes=minutes)] if minutes else [])
        if minutes is None:
            await desk.journal.append(session, [said(1, name, minutes=None)])
    await desk.session("empty")
    assert sorted(await found(desk)) == ["recent", "untimed"]
    async with desk.database.begin() as connection:
        await connection.execute(text("update sessions set updated_at = now() - interval '20 minutes' where external_id = 'recent'"))
        await connection.execute(text("update sessions set started_at = now() - interval '2 days' where external_id = 'untimed'"))
    assert await found(desk) == []


async def test_another_teams_and_another_projects_sessions_are_not_found(desk: Desk) -> None:
    other = (await desk.accounts.create_team(f"t{uuid4().hex[:8]}")).id
    for team_id in (desk.team_id, other):
        await desk.journal.append(await desk.session("s", team_id=team_id), [said(1, "Hello.")])
    ours, theirs = await found(desk), await found(desk, other)
    assert (ours, theirs) == (["s"], ["s"])
    reading = SessionsUnderWay(desk.database)
    assert [each.team_id for each in await reading.find(other, datetime.now(UTC) - PERIOD, limit=9)] == [other]
    assert await reading.find(desk.team_id, datetime.now(UTC) - PERIOD, project_id=uuid4(), limit=9) == []
    assert len(await reading.find(desk.team_id, datetime.now(UTC) - PERIOD, project_id=desk.project_id, limit=9)) == 1


async def test_what_a_session_does_is_its_last_prompt_call_and_files(desk: Desk) -> None:
    session, idle = await desk.session("s"), await desk.session("idle")
    await desk.journal.append(
        session,
        [
            said(1, "First."),
            said(2, "Last."),
            said(3, "To a sub-agent.", sidechain=True),
            said(4, "A notice.", "notice"),
            called(5, "cat a.py", "a.py", "b.py"),
            called(6, "cat c.py", "c.py", "a.py", sidechain=True),
            said(7, "Thinking.", "thinking"),
        ],
    )
    activities = await SessionsUnderWay(desk.database).activities([session, idle])
    assert activities == {session: Activity("Last.", LastCall("Bash", "cat c.py", "ok"), ("c.py", "a.py", "b.py")), idle: Activity()}
    assert await SessionsUnderWay(desk.database).activities([]) == {}


async def test_only_so_many_files_and_of_the_latest_events_are_told(desk: Desk) -> None:
    session = await desk.session("s")
    await desk.journal.append(session, [called(number, "ls", f"f{number}.py") for number in range(1, under_way.RECENT_FILE_EVENTS + 3)])
    last = under_way.RECENT_FILE_EVENTS + 2
    activity = (await SessionsUnderWay(desk.database).activities([session]))[session]
    assert activity.files == tuple(f"f{last - number}.py" for number in range(MAX_FILES))
    await desk.journal.append(session, [said(last + number, "…", "reply") for number in range(1, under_way.RECENT_FILE_EVENTS + 1)])
    assert (await SessionsUnderWay(desk.database).activities([session]))[session].files == ()


@pytest.mark.parametrize("kind", ["prompt", "tool"])
async def test_what_was_long_ago_in_a_session_is_not_searched_for(desk: Desk, kind: str) -> None:
    session = await desk.session("s")
    await desk.journal.append(session, [said(1, "First.") if kind == "prompt" else called(1, "ls")])
    assert (await SessionsUnderWay(desk.database).activities([session]))[session] != Activity()
    async with desk.database.begin() as connection:
        far = text("update sessions set event_count = :count where id = :id")
        await connection.execute(far, {"count": under_way.RECENT_EVENTS + 1, "id": session})
    assert (await SessionsUnderWay(desk.database).activities([session]))[session] == Activity()
