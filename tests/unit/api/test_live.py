"""Generic events, line by line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import live
from app.errors import InvalidInput, Unreadable
from app.sessions.event import Event
from app.sessions.live_events import event_of
from app.settings import SessionsSettings

MAX_EVENTS = SessionsSettings().max_live_events


def read(*records: dict[str, Any]) -> list[Event]:
    return [event_of(each) for each in live.read("\n".join(map(json.dumps, records)).encode(), max_events=MAX_EVENTS)]


@pytest.mark.parametrize(
    ("given_time", "believed"),
    [
        ("2026-10-01T10:00:00+02:00", datetime(2026, 10, 1, 8, tzinfo=UTC)),
        ("2026-10-01T10:00:00", datetime(2026, 10, 1, 10, tzinfo=UTC)),
        (1_790_000_000, datetime.fromtimestamp(1_790_000_000, UTC)),
        ("2199-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_only_a_believable_time_is_kept(given_time: object, believed: datetime | None) -> None:
    (event,) = read({"id": "a", "role": "user", "text": "x", "timestamp": given_time})
    assert event.at == believed


def test_blank_lines_are_nothing() -> None:
    body = b'\n  \r\n{"id": "a", "role": "user"}\r\n\n'
    assert [event.id for event in live.read(body, max_events=MAX_EVENTS)] == ["a"]


@pytest.mark.parametrize(
    ("record", "param"),
    [
        ({"role": "user"}, "id"),
        ({"id": "", "role": "user"}, "id"),
        ({"id": "a\u0000", "role": "user"}, "id"),
        ({"id": "a", "role": "boss"}, "role"),
        ({"id": "a", "role": "user", "timestamp": "yesterday"}, "timestamp"),
        ({"id": "a", "role": "tool", "tool": {"name": ""}}, "tool.name"),
        ({"id": "a", "role": "tool", "tool": {"name": "x", "exit_code": 2**40}}, "tool.exit_code"),
        ({"id": "a", "role": "user", "extra": 1}, "extra"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(record: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read({"id": "ok", "role": "user"}, record)
    assert refused.value.param == param
    assert "Line 2" in refused.value.message


@given(st.binary(max_size=200))
def test_garbage_is_refused_never_a_crash(body: bytes) -> None:
    try:
        live.read(body, max_events=MAX_EVENTS)
    except (InvalidInput, Unreadable) as error:
        assert error.message


@pytest.mark.parametrize("most", [1, 3])
def test_too_many_events_are_told_with_their_number_and_the_setting(most: int) -> None:
    body = b'{"id": "a", "role": "user", "text": "x"}\n' * (most + 2)
    with pytest.raises(InvalidInput, match=rf"has {most + 2} events; at most {most} are allowed \(sessions\.max_live_events\)"):
        live.read(body, max_events=most)
