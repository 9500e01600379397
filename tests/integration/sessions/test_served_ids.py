"""The journal keeps which knowledge a session was served, and the event by which it had it, however its events arrive."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import text

from app.sessions.event import Event, ToolUse
from app.sessions.served import PLACEHOLDER
from app.sessions.served_ids import read_served, record_served
from tests.integration.sessions.conftest import Desk

ITEM, OTHER = uuid4(), uuid4()
CALL = Event("c1", "tool", "tool", "", "L2", tool=ToolUse("mcp__cairn__get", "keepalive"))
PROMPT = Event("p1", "user", "prompt", "why do connections drop?", "L1")


def marked(*ids: UUID) -> str:
    return f'<cairn-knowledge ids="{" ".join(map(str, ids))}">\nkeepalive 30\n</cairn-knowledge>'


def answered(event: Event, output: str) -> Event:
    assert event.tool is not None
    return replace(event, tool=replace(event.tool, output=output), outcome="ok")


async def served(desk: Desk, session_id: UUID) -> dict[UUID, int]:
    async with desk.database.begin() as connection:
        return await read_served(connection, session_id)


async def test_what_a_tool_call_brought_is_kept_with_its_event(desk: Desk) -> None:
    session_id = await desk.session()
    await desk.journal.append(session_id, [PROMPT, answered(CALL, marked(ITEM, OTHER))])
    assert await served(desk, session_id) == {ITEM: 2, OTHER: 2}
    (output,) = [each.tool.output async for each in desk.journal.events(session_id) if each.tool is not None]
    assert output == PLACEHOLDER


async def test_a_late_result_is_kept_with_its_call(desk: Desk) -> None:
    session_id = await desk.session()
    await desk.journal.append(session_id, [PROMPT, CALL, Event("r1", "assistant", "reply", "Let me see.", "L3")])
    assert await served(desk, session_id) == {}
    await desk.journal.append(session_id, [answered(CALL, marked(ITEM))])
    assert await served(desk, session_id) == {ITEM: 2}


async def test_the_first_time_it_was_served_stays(desk: Desk) -> None:
    session_id = await desk.session()
    await desk.journal.append(session_id, [PROMPT, answered(CALL, marked(ITEM))])
    await desk.journal.append(session_id, [Event("n1", "system", "notice", marked(ITEM, OTHER), "L9")])
    assert await served(desk, session_id) == {ITEM: 2, OTHER: 3}
    async with desk.database.begin() as connection:
        await record_served(connection, session_id, {ITEM})
    assert await served(desk, session_id) == {ITEM: 2, OTHER: 3}


async def test_a_hook_hands_over_what_it_gave_beside_the_last_event(desk: Desk) -> None:
    session_id = await desk.session()
    await desk.journal.append(session_id, [PROMPT])
    async with desk.database.begin() as connection:
        await record_served(connection, session_id, {ITEM})
        await record_served(connection, uuid4(), {ITEM})
    assert await served(desk, session_id) == {ITEM: 1}


async def test_what_a_hook_told_and_its_transcript_repeats_is_one_event_and_was_served_once(desk: Desk) -> None:
    session_id = await desk.session(provider="claude-code")
    told = replace(answered(CALL, marked(ITEM)), provisional=True)
    await desk.journal.append(session_id, [told], from_file=False)
    await desk.journal.append(session_id, [PROMPT, answered(CALL, marked(ITEM))])
    assert await served(desk, session_id) == {ITEM: 1}


async def test_the_ids_leave_with_the_session(desk: Desk) -> None:
    session_id = await desk.session()
    await desk.journal.append(session_id, [answered(CALL, marked(ITEM))])
    async with desk.database.begin() as connection:
        await desk.journal.delete(connection, desk.team_id, session_id)
        assert await connection.scalar(text("select count(*) from session_served_knowledge")) == 0
