"""Provisional events: what a hook tells is journalled at once, and is the same event as its transcript's record, whichever came first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.sessions.captures import Captures
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.live import LiveIntake
from app.settings import Settings
from tests.integration.sessions.conftest import Desk

AT = datetime(2026, 10, 1, tzinfo=UTC)
SECRET = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"


def record(number: int, text: str = "go on", **fields: object) -> Event:
    event = Event(f"r{number}", "user", "prompt", text, f"L{number}", AT + timedelta(minutes=number), parent=f"r{number - 1}")
    return replace(event, **fields)  # type: ignore[arg-type]


def reply(number: int, text: str = "done") -> Event:
    return record(number, text, role="assistant", kind="reply", model="sonnet")


def notice(number: int, text: str = "Look for the pool.") -> Event:
    return record(number, text, role="user", kind="notice", sidechain=True)


def call(number: int, output: str = "12 passed") -> Event:
    return record(number, "", id=f"toolu_{number}", role="tool", kind="tool", tool=ToolUse("Bash", "make", output), outcome="ok")


def told(event: Event, *, by: str = "h") -> Event:
    """The same event as a hook tells it: other id, place and time, other spaces, its own rendering of a result."""
    tool = None if event.tool is None else replace(event.tool, output=f"stdout: {event.tool.output}" if event.tool.output else "")
    known = event.id if tool else f"{by}-{event.id}"
    return Event(known, event.role, event.kind, f" {event.text}\n", "hook", AT + timedelta(days=1), tool=tool, provisional=True)


async def read(desk: Desk, session_id: UUID) -> list[Event]:
    return [event async for event in desk.journal.events(session_id)]


async def test_a_record_adopts_what_a_hook_told_with_its_id_place_time_and_words(desk: Desk) -> None:
    session = await desk.session()
    events = [record(1), reply(2), notice(3)]
    assert (await desk.journal.append(session, [told(each) for each in events])).new == 3
    appended = await desk.journal.append(session, events)
    assert (appended.new, appended.updated, appended.known) == (0, 3, 0)
    assert await read(desk, session) == events
    assert (await desk.journal.append(session, events)).known == 3


async def test_a_hook_that_tells_what_the_transcript_had_adds_nothing_and_changes_nothing(desk: Desk) -> None:
    session = await desk.session()
    events = [record(1), call(2), notice(3)]
    await desk.journal.append(session, events)
    before = await desk.journal.get(desk.team_id, session)
    for _ in range(2):
        assert (await desk.journal.append(session, [told(each) for each in events])).known == 3
    assert await desk.journal.get(desk.team_id, session) == before
    assert await read(desk, session) == events


async def test_the_same_words_twice_are_two_events_each_adopted_once(desk: Desk) -> None:
    session = await desk.session()
    first, second = record(1), record(5)
    await desk.journal.append(session, [told(first)])
    await desk.journal.append(session, [first, second])
    await desk.journal.append(session, [told(second)])
    assert await read(desk, session) == [first, second]
    assert (await desk.journal.append(session, [told(record(9))])).new == 1


async def test_a_hook_told_again_after_its_adoption_is_known(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [told(record(1))])
    await desk.journal.append(session, [record(1)])
    assert (await desk.journal.append(session, [told(record(1))])).known == 1
    assert await read(desk, session) == [record(1)]


async def test_words_of_another_kind_or_session_are_not_adopted(desk: Desk) -> None:
    session, other = await desk.session(), await desk.session("other")
    await desk.journal.append(session, [told(record(1))])
    assert (await desk.journal.append(session, [reply(2, "go on")])).new == 1
    assert (await desk.journal.append(other, [record(1)])).new == 1


async def test_a_secret_in_it_is_redacted_and_does_not_hide_its_record(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [told(record(1, f"use {SECRET}"))])
    assert (await desk.journal.append(session, [record(1, f"use {SECRET}")])).updated == 1
    (event,) = await read(desk, session)
    assert (SECRET in event.text, event.id) == (False, "r1")


async def test_a_calls_result_is_the_transcripts_as_soon_as_it_has_one(desk: Desk) -> None:
    session = await desk.session()
    waiting = replace(call(1, ""), outcome=None)
    await desk.journal.append(session, [told(call(1))])
    await desk.journal.append(session, [waiting])
    (event,) = await read(desk, session)
    assert (event.locator, event.tool) == ("L1", told(call(1)).tool)
    changed = await desk.journal.append(session, [call(1)])
    assert (changed.updated, (await desk.journal.append(session, [call(1)])).updated) == (1, 0)
    assert await read(desk, session) == [call(1)]


async def test_an_adoption_is_a_change_that_projections_see(desk: Desk) -> None:
    session = await desk.session()
    await desk.journal.append(session, [told(record(1))])
    before = (await desk.journal.get(desk.team_id, session)).revision
    await desk.journal.append(session, [record(1)])
    assert (await desk.journal.get(desk.team_id, session)).revision == before + 1


@pytest.mark.parametrize("rounds", range(3))
async def test_hook_and_record_at_once_are_one_event(desk: Desk, rounds: int) -> None:
    session = await desk.session(f"s{rounds}")
    events = [record(number, f"text {number % 3}") for number in range(12)]
    hooks = [desk.journal.append(session, [told(event)]) for event in events for _ in range(2)]
    await asyncio.gather(*hooks, *(desk.journal.append(session, [event]) for event in events))
    assert sorted(await read(desk, session), key=lambda event: event.id) == sorted(events, key=lambda event: event.id)


class Turn(NamedTuple):
    prompt: str
    notices: int
    calls: int
    reply: str


COUNTS = st.integers(0, 2)
TURNS = st.lists(st.builds(Turn, st.sampled_from(["go on", "Why NATS?"]), COUNTS, COUNTS, st.sampled_from(["done", "ok"])), max_size=5)


def transcript(turns: list[Turn]) -> list[Event]:
    events: list[Event] = []
    for turn in turns:
        events.append(record(len(events), turn.prompt))
        events += [notice(len(events) + number) for number in range(turn.notices)]
        events += [call(len(events) + number) for number in range(turn.calls)]
        events.append(reply(len(events), turn.reply))
    return events


def cut(events: list[Event], length: int) -> list[Event]:
    """The transcript while it grew: its last call has no result yet."""
    *before, last = events[:length]
    return [*before, replace(last, tool=replace(last.tool, output=""), outcome=None) if last.tool else last]


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), turns=TURNS)
async def test_any_interleaving_of_hooks_watch_and_upload_is_the_upload_alone(desk: Desk, data: st.DataObject, turns: list[Turn]) -> None:
    session, events = await desk.session(uuid4().hex), transcript(turns)
    hooks = [[told(event)] for event in events if data.draw(st.booleans(), label="told")]
    watch = [cut(events, length)[-2:] for length in range(1, len(events) + 1)]
    uploads = [cut(events, length) for length in range(1, len(events) + 1) if data.draw(st.booleans(), label="uploaded")]
    steps = data.draw(st.permutations([*hooks, *hooks, *watch, *uploads, events]), label="order")
    for step in steps:
        await desk.journal.append(session, step)
    found = await read(desk, session)
    assert sorted(found, key=lambda event: event.id) == sorted(events, key=lambda event: event.id)


async def test_a_hooks_session_is_placed_and_named_by_its_header_and_later_by_its_file(desk: Desk) -> None:
    captures = Captures(desk.database, desk.accounts)
    live = LiveIntake(limits=Settings().sessions, database=desk.database, accounts=desk.accounts, journal=desk.journal, captures=captures)
    header = SessionHeader("claude-code", "c1", repository="https://git.example/acme/pay.git", branch="main", directory="/w/pay")
    ids: dict[str, Any] = {"team_id": desk.team_id, "developer_id": None, "project": None}
    done = await live.append(session=header, events=[told(record(1))], **ids)
    again = await live.append(session=replace(header, title="Pay"), events=[told(record(1)), told(record(2, "next"))], **ids)
    assert (done.accepted, again.session_id, again.accepted, again.duplicates) == (1, done.session_id, 1, 1)
    found = await desk.journal.get(desk.team_id, done.session_id)
    assert (found.provider, found.branch, found.title, found.transcript) == ("claude-code", "main", "Pay", "live:c1")
    assert (await desk.accounts.project_names(desk.team_id, {found.project_id}))[found.project_id] == "pay"
    assert await desk.session("c1", provider="claude-code") == done.session_id
    assert (await desk.journal.get(desk.team_id, done.session_id)).transcript == "t.jsonl"
