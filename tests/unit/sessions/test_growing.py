"""A transcript read in pieces, cut anywhere, gives what the whole file gives, in the same order."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import RESUMED, ParseTally, parse
from app.sessions.formats.growing import TAIL_BYTES, GrowingTranscript, tail_of
from app.sessions.redacted import storable
from app.settings import Settings
from tests.unit.sessions.test_formats import ALL, CODEX, lines

LIMITS = Settings().sessions
TOKENS = {"total_token_usage": {"input_tokens": 10, "output_tokens": 2, "cached_input_tokens": 1}}
COUNTED = CODEX + lines({"timestamp": "2026-03-01T10:00:05Z", "type": "event_msg", "payload": {"type": "token_count", "info": TOKENS}})
AGAIN = lines({"timestamp": "2026-03-01T10:01:00Z", "type": "event_msg", "payload": {"type": "user_message", "message": "List the files"}})
CASES: list[tuple[Format, bytes]] = [("claude-code", ALL["claude-code"] * 2), ("codex", COUNTED + AGAIN + AGAIN)]


def whole(kind: Format, data: bytes) -> list[SessionHeader | Event]:
    return list(parse(iter([data]), format=kind, limits=LIMITS, tally=ParseTally()))


def rows(found: Sequence[SessionHeader | Event]) -> list[dict[str, object]]:
    return [each.row for each in storable([each for each in found if isinstance(each, Event)], max_chars=LIMITS.max_text_chars)]


@pytest.mark.parametrize(("kind", "data"), CASES, ids=[case[0] for case in CASES])
@settings(deadline=None, max_examples=60)
@given(draw=st.data())
def test_pieces_cut_anywhere_give_what_the_whole_file_gives(kind: Format, data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(1, len(data)), max_size=12)))
    reader, found = GrowingTranscript(kind, LIMITS), list[SessionHeader | Event]()
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        found += reader.feed(data[start:end], end=False)
    assert (reader.offset, reader.tail) == (len(data), tail_of(data))
    found += reader.feed(b"", end=True)
    assert rows(found) == rows(whole(kind, data))
    assert [each for each in found if isinstance(each, SessionHeader)] == [
        each for each in whole(kind, data) if isinstance(each, SessionHeader)
    ]


def test_an_event_comes_with_the_line_that_holds_it() -> None:
    reader = GrowingTranscript("codex", LIMITS)
    *before, last = CODEX.splitlines(keepends=True)
    reader.feed(b"".join(before[:-1]), end=False)
    (reply,) = [each for each in reader.feed(before[-1], end=False) if isinstance(each, Event) and each.kind == "reply"]
    assert (reply.text, reply.usage) == ("One file.", None)
    again = [each for each in reader.feed(last + COUNTED[len(CODEX) :], end=False) if isinstance(each, Event)]
    assert [each.usage.input for each in again if each.id == reply.id and each.usage] == [10]


def test_a_format_that_is_not_resumed_is_read_at_its_end() -> None:
    data = ALL["specstory"]
    reader = GrowingTranscript("specstory", LIMITS)
    assert "specstory" not in RESUMED
    assert reader.feed(data[:100], end=False) == []
    assert reader.feed(data[100:], end=True) == whole("specstory", data)


def test_the_tail_tells_a_file_that_was_written_anew() -> None:
    data = json.dumps({"text": "x" * 3 * TAIL_BYTES}).encode()
    assert tail_of(data) == tail_of(data[-TAIL_BYTES:]) != tail_of(data[:-1])
