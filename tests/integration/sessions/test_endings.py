"""How a project's latest sessions ended, of which only the end is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.sessions import endings
from app.sessions.endings import MAX_CHARS, SessionEndings
from app.sessions.event import Event, Outcome, ToolUse
from app.sessions.session import SessionEnding
from tests.integration.sessions.conftest import Desk

AT = datetime(2026, 10, 1, tzinfo=UTC)


def said(name: str, text: str, *, day: int = 0) -> Event:
    return Event(name, "user", "prompt", text, name, AT + timedelta(days=day))


def replies(count: int, *, day: int = 0) -> list[Event]:
    return [replace(said(f"r{number}", f"step {number}", day=day), role="assistant", kind="reply") for number in range(count)]


def call(name: str, command: str, outcome: Outcome, *, day: int = 0) -> Event:
    return replace(said(name, "", day=day), role="tool", kind="tool", tool=ToolUse("Bash", command, "…"), outcome=outcome)


async def latest(desk: Desk) -> list[SessionEnding]:
    return await SessionEndings(desk.database).latest(desk.team_id, desk.project_id, limit=5)


async def test_an_end_is_the_last_of_each_kind(desk: Desk) -> None:
    ours = await desk.session()
    await desk.journal.append(ours, [said("p1", "why?"), said("p2", "fix it"), *replies(3), call("c1", "make", "failed")])
    (end,) = await latest(desk)
    assert end.asked is not None
    assert end.said is not None
    assert end.failed is not None
    assert (end.asked.text, end.said.text, end.failed.tool) == ("fix it", "step 2", ToolUse("Bash", "make", "…"))


async def test_what_came_long_before_the_end_is_not_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "MAX_EVENTS", 5)
    ours = await desk.session()
    await desk.journal.append(ours, [said("p1", "why?"), call("c1", "make", "failed"), *replies(4)])
    (end,) = await latest(desk)
    assert end.said is not None
    assert (end.asked, end.failed is not None, end.said.text) == (None, True, "step 3")
    await desk.journal.append(ours, [replies(5)[-1]])
    assert (await latest(desk))[0].failed is None


@pytest.mark.parametrize("command", ["make", "echo " + "x" * MAX_CHARS, "y" * MAX_CHARS])
async def test_a_failure_is_over_where_the_end_of_a_later_session_has_it_succeed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(endings, "MAX_EVENTS", 5)
    first, later = await desk.session("first"), await desk.session("later")
    await desk.journal.append(first, [call("c1", command, "failed")])
    await desk.journal.append(later, [call("c0", "z" + command, "ok", day=1), call("c2", command, "failed", day=1)])
    assert [end.failed is not None for end in await latest(desk)] == [True, True]
    await desk.journal.append(later, [call("c3", command, "ok", day=1)])
    assert [end.failed is not None for end in await latest(desk)] == [False, False]
    await desk.journal.append(later, replies(5, day=1))
    assert [end.failed is not None for end in await latest(desk)] == [False, True], "too long ago to be looked at"
