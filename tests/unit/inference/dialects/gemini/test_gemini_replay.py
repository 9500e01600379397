"""Recorded streams of Gemini's, cut at every byte, come out event for event; one that breaks off anywhere tells a true beginning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from app.inference.answer_events import AnswerEvent, ChoiceEnded, SignatureDelta, TextDelta
from app.inference.conversation import Conversation, ToolDefinition
from app.inference.dialects.gemini import GEMINI
from app.inference.provider_errors import ProviderError
from app.inference.wires.split_characters import decode_event
from app.inference.wires.sse import Events
from tests.unit.inference.dialects.assembled import assembled
from tests.unit.inference.dialects.gemini.recordings import BROKEN, COMPLETE

ASKED = Conversation("auto", (), (ToolDefinition("patch", kind="custom"),))
complete = pytest.mark.parametrize("recording", COMPLETE.values(), ids=COMPLETE)
broken = pytest.mark.parametrize("recording", BROKEN.values(), ids=BROKEN)


def replayed(pieces: Iterable[bytes]) -> Iterator[AnswerEvent]:
    """Read bytes as the wire does. The ids of calls that Gemini doesn't name, made up anew in each answer, are those of its answer's id."""
    parser, reader = Events(), GEMINI.event_reader(ASKED)
    for piece in pieces:
        for raw in parser.feed(piece):
            yield from reader.feed(decode_event(raw))  # type: ignore[arg-type]
    for raw in parser.end():
        yield from reader.feed(decode_event(raw))  # type: ignore[arg-type]
    yield from reader.end()


def told(pieces: Iterable[bytes]) -> tuple[list[AnswerEvent], ProviderError | None]:
    found: list[AnswerEvent] = []
    try:
        for event in replayed(pieces):
            found.append(event)
    except ProviderError as fault:
        return found, fault
    return found, None


@complete
def test_a_recording_cut_at_any_byte_comes_out_event_for_event(recording: bytes) -> None:
    whole = list(replayed([recording]))
    assembled(whole)
    for at in range(len(recording) + 1):
        assert list(replayed([recording[:at], recording[at:]])) == whole
    assert list(replayed(recording[at : at + 1] for at in range(len(recording)))) == whole


@broken
def test_a_broken_recording_cut_at_any_byte_breaks_alike(recording: bytes) -> None:
    whole, fault = told([recording])
    assert fault is not None
    for at in range(len(recording) + 1):
        found, other = told([recording[:at], recording[at:]])
        assert found == whole
        assert other is not None
        assert (other.kind, other.status, other.message) == (fault.kind, fault.status, fault.message)


@complete
def test_a_recording_that_breaks_off_tells_a_beginning_and_never_an_end_that_was_not_told(recording: bytes) -> None:
    whole = list(replayed([recording]))
    ends = [event for event in whole if isinstance(event, ChoiceEnded)]
    for at in range(len(recording)):
        found, fault = told([recording[:at]])
        if fault is None:
            assert [event for event in found if isinstance(event, ChoiceEnded)] == ends
        else:
            assert fault.kind in {"cut", "malformed"}
            assert found == whole[: len(found)]


def test_the_recordings_say_what_they_are_to_show() -> None:
    reasons = {event.reason for each in COMPLETE.values() for event in replayed([each]) if isinstance(event, ChoiceEnded)}
    assert reasons == {"end", "max_tokens", "tool_calls", "content_filter"}
    assert "".join(event.text for event in replayed([COMPLETE["a text"]]) if isinstance(event, TextDelta)) == "Größe 東京 🦜."
    signed = [event.signature for event in replayed([COMPLETE["parallel calls with a signature"]]) if isinstance(event, SignatureDelta)]
    assert signed == ["gemini:CiQB/+4="]
    assert {told([each])[1].kind for each in BROKEN.values()} == {"server_error", "empty", "cut"}  # type: ignore[union-attr]
