"""Streams of sessions: every event and every change is told, once, however often a reader comes back in between."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import InvalidInput, Unavailable
from app.sessions import stream as streams
from app.sessions.browsing import SessionBrowsing
from app.sessions.event import Event, ToolUse
from app.sessions.stream import MAX_OWN_STREAMS, SessionStream, StreamPosition, parse_position, position_id
from tests.integration.sessions.conftest import Desk


def call(number: int, output: str = "") -> Event:
    return Event(
        f"c{number}", "tool", "tool", "", f"L{number}", None, tool=ToolUse("Bash", "make", output), outcome="ok" if output else None
    )


async def told(desk: Desk, session: UUID, position: str | None) -> tuple[list[tuple[str, bool]], list[str]]:
    """What a reader is told from an id on, one page per connection: (event's id, changed); and the ids."""
    stream, who = SessionStream(desk.journal, SessionBrowsing(desk.database)), Requester(desk.team_id, "default", role="admin")
    found, ids, place = [], [], parse_position(position)
    while True:
        page, after = await stream.since(who, session, place)
        found += [(each.event.id, each.changed) for each in page]
        ids += [position_id(each.position) for each in page]
        if not page and after == place:
            return found, ids
        place = parse_position(position_id(after))


@pytest.mark.parametrize("together", [True, False])
async def test_what_is_filled_in_after_the_first_read_is_told_once_from_any_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    monkeypatch.setattr(streams, "PAGE", 3)
    session = await desk.session()
    await desk.journal.append(session, [call(number) for number in range(8)])
    first, ids = await told(desk, session, None)
    assert first == [(f"c{number}", False) for number in range(8)]
    results = [replace(call(number, "12 passed")) for number in range(8)]
    for batch in [results] if together else [[each] for each in reversed(results)]:
        await desk.journal.append(session, batch)
    await desk.journal.append(session, [call(8)])
    changes, after = await told(desk, session, ids[-1])
    order = range(8) if together else reversed(range(8))
    assert changes == [*((f"c{number}", True) for number in order), ("c8", False)]
    for place in range(len(after)):
        assert (await told(desk, session, after[place]))[0] == changes[place + 1 :]
    again, _ = await told(desk, session, ids[4])
    assert {name for name, _ in again} == {f"c{number}" for number in range(9)}
    assert len(again) == 9


def test_ids_are_positions_and_nothing_else() -> None:
    for position in (StreamPosition(7, 3), StreamPosition(7, 3, 2)):
        assert parse_position(position_id(position)) == position
    for wrong in ("7", "7.3.2.1", "7.", "a.1", "1.9999999999", "-1.2"):
        with pytest.raises(InvalidInput):
            parse_position(wrong)


def test_one_developer_leaves_streams_to_others(desk: Desk) -> None:
    stream = SessionStream(desk.journal, SessionBrowsing(desk.database))
    me, other = (Requester(desk.team_id, "default", uuid4(), name, role="developer") for name in ("me", "other"))
    with ExitStack() as open_streams:
        for _ in range(MAX_OWN_STREAMS):
            last = open_streams.enter_context(ExitStack())
            last.enter_context(stream.counted(me))
        with pytest.raises(Unavailable, match="You have"), stream.counted(me):
            pass
        with stream.counted(other):
            last.close()
        with stream.counted(me):
            pass
