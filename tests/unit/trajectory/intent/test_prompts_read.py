"""A prompt in its parts, its cues and numbers: any text is read, in any language, and bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.intent.context import offer_in, only_agrees
from app.trajectory.intent.cues import cue_names, cues_in
from app.trajectory.intent.features import feature_names, features_of, opening_of, words_of
from app.trajectory.intent.prose import HEAD_CHARS, MAX_LINES, TAIL_CHARS, prose_of

HOSTILE = [
    "a" * 200_000,
    "(" * 50_000,
    "\n" * 100_000,
    "at " * 60_000,
    "> " * 60_000,
    "`" * 90_000,
    "please " * 40_000,
    "\ud800",
    "",
    "\x00",
    "é" * 50_000,
]


def test_what_was_pasted_is_told_from_what_is_said() -> None:
    prose = prose_of(
        'Why does it stop?\n```\nx = 1;\n```\nTraceback (most recent call last):\n  File "/a/b.py", line 3, in run\n2031-01-01 10:00:00 up\n$ make all\n> quoted\n- one\n# Two'
    )
    assert prose.said == "Why does it stop? - one # Two"
    assert (prose.trace, prose.log, prose.code, prose.quoted, prose.commands, prose.items, prose.headings) == (2, 1, 1, 1, 1, 1, 1)


def test_a_prompt_that_is_pasted_whole_is_read_by_its_beginning() -> None:
    assert prose_of("```\nx = 1\n```").said.startswith("```")
    assert prose_of("Traceback (most recent call last):\nValueError: no").trace == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_read_within_bounds(text: str) -> None:
    prose = prose_of(text)
    assert prose.lines <= MAX_LINES
    assert len(prose.embedded) <= HEAD_CHARS + TAIL_CHARS + 1
    assert np.isfinite(features_of(prose)).all()
    assert len(list(words_of(prose))) < 500
    assert isinstance(only_agrees(prose), bool)
    assert len(offer_in(text)) <= 1_000


@given(st.text(max_size=2_000))
def test_every_text_has_one_number_a_name(text: str) -> None:
    numbers = features_of(prose_of(text))
    assert numbers.shape == (len(feature_names()),)
    assert np.isfinite(numbers).all()
    assert (numbers >= 0).all()


def test_courtesies_are_no_opening() -> None:
    assert opening_of("Hi! Could you please rename it").startswith("rename")
    assert opening_of("请帮我重命名这个函数").startswith("重命名")
    assert opening_of("please") == "please"


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("the page is slow", "faster"),
        ("页面太慢", "faster"),
        ("La page est lente", "faster"),
        ("schreibe Tests", "test"),
        ("напиши тесты", "test"),
        ("リファクタリングして", "restructure"),
    ],
)
def test_cues_are_found_in_many_languages(text: str, cue: str) -> None:
    assert cue in cues_in(text)


def test_a_cue_is_a_whole_word_where_words_have_spaces() -> None:
    assert "test" not in cues_in("the latest contest")
    assert "test" in cues_in("run the tests!")
    assert set(cues_in("anything at all")) <= set(cue_names())


@pytest.mark.parametrize("text", ["yes", "Yes, please!", "ok go ahead", "好的，继续", "ja bitte", "sí, adelante"])
def test_a_bare_agreement_is_told(text: str) -> None:
    assert only_agrees(prose_of(text))


@pytest.mark.parametrize("text", ["yes but fix the parser first", "run it", "ok why?", "no", "tests"])
def test_what_says_more_is_no_bare_agreement(text: str) -> None:
    assert not only_agrees(prose_of(text))


def test_the_last_offer_of_a_reply_is_found() -> None:
    assert offer_in("The parser works. Shall I also write tests for it?") == "write tests for it"
    assert offer_in("I could rename it.\nAll done. Would you like me to update the readme?") == "update the readme"
    assert offer_in("All done.") == ""
