"""Whose sessions are captured: by developer and agent, with those of whom there is nothing, and those who fell silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.sessions.captures import COUNTED, SILENT, AgentSessions, Capture, UsedWay, compose

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, BEN, TEAM = uuid4(), uuid4(), uuid4()
NAMES = {ADA: "ada", BEN: "ben"}


def listed(used: dict[tuple[UUID, str], list[UsedWay]], sessions: dict[tuple[UUID, str], AgentSessions]) -> list[Capture]:
    return compose(NAMES, used, sessions, expected=["ada", "ben"], now=NOW)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def test_each_developer_and_agent_has_a_line_and_who_has_none_is_named() -> None:
    hook = UsedWay("hook", ago(days=3), ago(hours=1))
    found = listed(
        {(BEN, "codex"): [hook]}, {(BEN, "codex"): AgentSessions(4, ago(hours=1)), (BEN, "aider"): AgentSessions(1, ago(days=2))}
    )
    assert [(each.developer, each.agent, each.ways, each.sessions) for each in found] == [
        ("ada", None, (), 0),
        ("ben", "aider", (), 1),
        ("ben", "codex", (hook,), 4),
    ]


def test_what_the_admin_key_sent_comes_last_without_a_name() -> None:
    found = listed({(TEAM, "codex"): [UsedWay("upload", NOW, NOW)]}, {(TEAM, "codex"): AgentSessions(1, None)})
    assert [each.developer for each in found] == ["ada", "ben", None]


def test_ways_are_told_of_an_agent_whose_sessions_were_purged() -> None:
    (_, found) = listed({(BEN, "codex"): [UsedWay("watch", NOW, NOW)]}, {})
    assert (found.agent, found.sessions, found.last_event_at, found.silent) == ("codex", 0, None, False)


@pytest.mark.parametrize(
    ("came", "happened", "silent"),
    [
        (timedelta(0), timedelta(0), False),
        (SILENT, COUNTED, False),
        (SILENT + timedelta(seconds=1), SILENT + timedelta(seconds=1), True),
        (COUNTED, timedelta(days=1), False),
        (timedelta(hours=1), COUNTED * 12, False),
        (COUNTED, None, True),
        (None, COUNTED, True),
        (None, timedelta(days=1), False),
        (None, None, False),
    ],
)
def test_silence_is_when_nothing_has_come_or_happened_for_long(came: timedelta | None, happened: timedelta | None, silent: bool) -> None:
    used = {} if came is None else {(ADA, "codex"): [UsedWay("hook", NOW - came, NOW - came)]}
    found = listed(used, {(ADA, "codex"): AgentSessions(0, None if happened is None else NOW - happened)})
    assert found[0].silent == silent
