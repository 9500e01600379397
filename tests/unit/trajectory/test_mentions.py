"""Words that a pattern needs are looked for before it: wherever the pattern matches, one of them is found, in any case of letters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.events import failures
from app.trajectory.events.mentions import Mentions
from app.trajectory.policies import claims, readings, testing_files
from app.trajectory.shapes import phases


@pytest.mark.parametrize("text", ["", "nothing of it", "GO", "g o on", "\x00\ud800"])
def test_a_text_without_the_words_is_about_nothing(text: str) -> None:
    assert not Mentions({"going": ["go on", "gone"]}).in_text(text)


@pytest.mark.parametrize("text", ["we go on", "GONE", "Go On and on", "x" * 5_000 + "gone"])
def test_a_text_with_a_word_is_about_its_name(text: str) -> None:
    assert Mentions({"going": ["go on", "gone"], "other": ["stay"]}).in_text(text) == {"going"}


def test_a_word_may_stand_for_two_names() -> None:
    assert Mentions({"one": ["npm "], "two": ["npm ", "uv "]}).in_text("npm install") == {"one", "two"}


@pytest.mark.parametrize("letter", ["\u0131", "\u0130", "\u017f", "\u212a"])
def test_where_a_pattern_takes_another_letter_for_one_the_text_may_be_about_anything(letter: str) -> None:
    assert Mentions({"going": ["gone"]}).in_text(letter) == {"going"}


@given(st.data())
def test_a_command_that_shows_a_deed_mentions_it(data: st.DataObject) -> None:
    deed, pattern = data.draw(st.sampled_from(phases._DEEDS))
    assert deed in phases._MENTIONED.in_text(data.draw(st.from_regex(pattern)))


@given(st.data())
@pytest.mark.parametrize(
    ("pattern", "mentions"),
    [
        (failures._UNAVAILABLE, failures._MENTIONED),
        (claims._DONE, claims._MENTIONED),
        (testing_files._SKIPS, testing_files._SKIP_WORDS),
    ],
)
def test_wherever_the_pattern_matches_the_words_are_mentioned(
    pattern: re.Pattern[str], mentions: Mentions[str], data: st.DataObject
) -> None:
    assert mentions.in_text(data.draw(st.from_regex(pattern)))


@given(st.from_regex(readings._BUILD))
def test_a_build_is_found_by_its_words(text: str) -> None:
    assert any(word in text for word in readings._BUILD_WORDS)
