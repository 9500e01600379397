"""Where a stream goes on among intents: written and read back alike, and refused where it is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.trajectory.intent.following import FollowedIntents, parse_intent_position
from app.trajectory.intent.kinds import IntentPosition, PromptIntent


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**18 - 1))
def test_a_position_is_read_as_it_is_written(seq: int, correction: int) -> None:
    position = IntentPosition(seq, correction)
    followed = FollowedIntents(None, None, position)  # type: ignore[arg-type]
    assert parse_intent_position(followed.position) == position


def test_no_position_is_the_beginning() -> None:
    assert parse_intent_position("") == IntentPosition()


@pytest.mark.parametrize("wrong", ["1", "1.", ".1", "1.2.3", "-1.2", "1.2 ", "٣.1", f"{10**9}.0", f"0.{10**18}", "a.b"])
def test_what_is_no_position_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_intent_position(wrong)
    assert refused.value.param == "last-event-id"


def test_a_correction_is_as_certain_as_a_person() -> None:
    told = PromptIntent(1, "testing", "testing", 0.7, "debugging", 0.2)
    assert told.certainty == 0.7
    assert PromptIntent(1, "learning", "testing", 0.7, "debugging", 0.2, corrected_by="ada").certainty is None
