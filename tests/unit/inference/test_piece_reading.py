"""One typed answer of a stream's pieces: with a provider's own events, with none, and with both."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    PartEnded,
    PartStarted,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Text, ToolInvocation
from app.inference.piece_reading import PieceReader
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects.assembled import assembled

BEGUN = (AnswerStarted("msg_1", "claude", 5), PartStarted(0, "text"))


def plain(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}]}


def read(*pieces: tuple[AnswerEvent, ...] | dict[str, Any]) -> list[AnswerEvent]:
    reader = PieceReader()
    found = [each for piece in pieces for each in (reader.plain(piece) if isinstance(piece, dict) else reader.typed(piece))]
    return [*found, *reader.end()]


def parts(*pieces: tuple[AnswerEvent, ...] | dict[str, Any]) -> tuple[object, ...]:
    return assembled(read(*pieces)).choices[0].parts


def test_a_rescue_in_chat_completions_goes_on_with_the_open_text() -> None:
    events = read((*BEGUN, TextDelta(0, "one ")), plain("two "), plain("three"), plain(None, "stop"))
    assert events == [
        *BEGUN, TextDelta(0, "one "), TextDelta(0, "two "), TextDelta(0, "three"), PartEnded(0), ChoiceEnded("end"), AnswerEnded(),
    ]  # fmt: skip


def test_a_rescue_after_the_text_had_ended_is_a_text_of_its_own() -> None:
    assert parts((*BEGUN, TextDelta(0, "one "), PartEnded(0)), plain("two"), plain(None, "length")) == (Text("one "), Text("two"))


def test_live_events_go_on_with_the_text_that_was_compacted() -> None:
    call = (PartEnded(0), PartStarted(1, "tool_call", call_id="a", name="look"), ArgumentsDelta(1, "{}"), PartEnded(1))
    found = parts(plain("one "), (TextDelta(0, "two"),), call, (ChoiceEnded("tool_calls"), AnswerEnded()))
    assert found == (Text("one two"), ToolInvocation("a", "look", "{}"))


def test_a_part_that_begins_after_compacted_text_ends_that() -> None:
    assert parts(plain("one "), (PartStarted(3, "text"), TextDelta(3, "two")), (ChoiceEnded("end"),)) == (Text("one "), Text("two"))


def test_an_answer_that_cairn_cut_short_ends_as_it_says() -> None:
    whole = assembled(read((*BEGUN, TextDelta(0, "one")), plain(" tw", "length")))
    assert (whole.choices[0].parts, whole.choices[0].reason, whole.id) == ((Text("one tw"),), "max_tokens", "msg_1")


def test_what_follows_a_choices_end_is_left_out_and_so_is_the_providers_usage() -> None:
    events = read((*BEGUN, ChoiceEnded("end"), TextDelta(0, "late"), UsageReported(TokenUsage(1, 1)), ChoiceEnded("end"), AnswerEnded()))
    assert events == [*BEGUN, PartEnded(0), ChoiceEnded("end"), AnswerEnded()]


@pytest.mark.parametrize("pieces", [(), (BEGUN,), (plain("one"),), ((AnswerStarted(),),)])
def test_an_answer_without_an_end_is_cut(pieces: Any) -> None:
    with pytest.raises(ProviderError, match="ended without a finish_reason"):
        read(*pieces)


@given(st.lists(st.tuples(st.sampled_from(["typed", "plain"]), st.text(min_size=1, max_size=5)), max_size=20), st.booleans())
def test_any_mixture_of_text_is_well_formed_and_loses_none(said: list[tuple[str, str]], begun: bool) -> None:
    pieces = [(TextDelta(0, text),) if source == "typed" else plain(text) for source, text in said]
    whole = assembled(read(*([BEGUN] if begun else [(AnswerStarted(),)]), *pieces, (ChoiceEnded("end"),)))
    texts = [part.text for part in whole.choices[0].parts if isinstance(part, Text)]
    assert "".join(texts) == "".join(text for _, text in said)
