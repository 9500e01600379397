"""A person's next turn is read as a verdict on what was done before it."""

from __future__ import annotations

import pytest

from app.trajectory.events.turns import Ending, ending, objects
from tests.turn_cases import HELD_OUT_TURNS, KNOWN_TURNS, MISREAD_TURNS

TURNS = [(turn, verdict) for cases in (KNOWN_TURNS, HELD_OUT_TURNS) for verdict, turns in cases.items() for turn in turns]


@pytest.mark.parametrize(("turn", "verdict"), [each for each in TURNS if each[0] not in MISREAD_TURNS])
def test_a_turn_is_read_as_the_verdict_that_it_is(turn: str, verdict: Ending) -> None:
    assert ending(turn) == verdict


def test_hardly_a_turn_is_read_as_the_opposite() -> None:
    opposite = {"accepted": "corrected", "corrected": "accepted"}
    assert sum(ending(turn) == opposite.get(verdict) for turn, verdict in TURNS) <= 1


@pytest.mark.parametrize("turn", ["no, that's wrong", "you forgot the index", "undo that", "nein, das ist falsch"])
def test_an_objection_in_words_is_one(turn: str) -> None:
    assert objects(turn)


@pytest.mark.parametrize(
    "turn",
    [
        "Fix it:\nTypeError: x is not a function",
        "thanks, but it still answers with the old version",
        "no problem, merge it",
        "add a flag",
        "",
    ],
)
def test_a_pasted_error_or_thanks_with_a_but_is_no_objection(turn: str) -> None:
    assert not objects(turn)
