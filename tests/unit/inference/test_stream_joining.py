"""Joining a broken stream with another answer: however the pieces fall, never a splice of two different answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.stream_joining import HELD_BACK_CHARS, REPEATED_CHARS, AnswerMismatch, StreamJoiner

ANSWER = "The sky is blue because air scatters short waves more than long ones."

letters = st.text("ab .", max_size=40)  # few of them, so that texts repeat themselves and each other
answers = letters | st.text(max_size=60) | st.just(ANSWER)
cuts = st.lists(st.integers(1, 9), max_size=60)


def pieces(text: str, lengths: Sequence[int]) -> list[str]:
    """The text, cut so; its rest in one."""
    made, at = [], 0
    for length in lengths:
        made.append(text[at : at + length])
        at += length
    return [each for each in [*made, text[at:]] if each]


def joined(delivered: str, new: Sequence[str], *, prefilled: bool) -> str | None:
    """What the caller has of it in the end; None: the new answer was another one, and nothing of it was delivered after that."""
    joiner = StreamJoiner(delivered, prefilled=prefilled)
    came: list[str] = []
    try:
        came.extend(joiner.feed(each) for each in new)
        came.append(joiner.end())
    except AnswerMismatch:
        assert "".join(came) == ""
        return None
    assert joiner.joined
    return delivered + "".join(came)


def letters_of(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def expected(delivered: str, new: str, *, prefilled: bool) -> str | None:
    """The rule, told of whole texts."""
    beginning = delivered.strip()[:REPEATED_CHARS]
    if not prefilled or (delivered.startswith(new[: len(delivered)]) and new.lstrip().startswith(beginning)):
        return new if new.startswith(delivered) else None
    if letters_of(beginning) and letters_of(beginning) in letters_of(new):
        return None  # another beginning of the same, after a greeting
    trail = delivered[len(delivered.rstrip()) :]
    return delivered + new.removeprefix(trail)


@given(answers, st.integers(1, 60), cuts)
def test_the_same_answer_begun_anew_is_joined_where_the_first_broke_off(answer: str, broke: int, lengths: list[int]) -> None:
    delivered = answer[:broke]
    if delivered:
        assert joined(delivered, pieces(answer, lengths), prefilled=False) == answer


@given(answers.filter(bool), answers, cuts)
def test_an_answer_begun_anew_is_delivered_only_as_a_whole(delivered: str, new: str, lengths: list[int]) -> None:
    assert joined(delivered, pieces(new, lengths), prefilled=False) == (new if new.startswith(delivered) else None)


@given(answers.filter(bool), answers, cuts)
def test_however_it_is_cut_a_prefilled_answer_is_a_continuation_or_a_repetition(delivered: str, new: str, lengths: list[int]) -> None:
    assert joined(delivered, pieces(new, lengths), prefilled=True) == expected(delivered, new, prefilled=True)


@given(answers.filter(bool), answers, st.integers(0, 400), cuts)
def test_a_long_answer_too_is_continued_repeated_or_not_delivered_at_all(delivered: str, new: str, more: int, lengths: list[int]) -> None:
    new += " and so on"[:more] * (more // 10)
    continued, repeated = delivered + new.removeprefix(delivered[len(delivered.rstrip()) :]), new if new.startswith(delivered) else None
    found = joined(delivered, pieces(new, lengths), prefilled=True)
    assert found in {None, continued, repeated}
    assert found == expected(delivered, new, prefilled=True) or len(new) > HELD_BACK_CHARS


@given(st.integers(REPEATED_CHARS + 2, len(ANSWER) - 1), st.booleans(), cuts)
def test_a_provider_that_restarts_though_asked_to_continue_is_joined_word_for_word(broke: int, same: bool, lengths: list[int]) -> None:
    restarted = ANSWER if same else ANSWER[:REPEATED_CHARS] + " of something else, which nobody has read yet: that is another answer."
    found = joined(ANSWER[:broke], pieces(restarted, lengths), prefilled=True)
    assert found == (ANSWER if same else None)


def test_a_continuation_is_held_back_until_it_is_none_of_a_new_beginning() -> None:
    joiner = StreamJoiner("The sky is", prefilled=True)
    long = " and so on" * (HELD_BACK_CHARS // 10)
    assert [joiner.feed(each) for each in (" blue", long, " today")] == ["", " blue" + long, " today"]
    assert (joiner.end(), joiner.joined) == ("", True)


@pytest.mark.parametrize("greeting", ["Sure! ", "**", " ", "Of course.\n\n"])
def test_a_new_beginning_after_a_greeting_is_no_continuation(greeting: str) -> None:
    assert joined(ANSWER[:40], [greeting, ANSWER], prefilled=True) is None


@pytest.mark.parametrize("prefilled", [True, False])
def test_another_answer_is_known_by_its_first_word_that_differs(prefilled: bool) -> None:
    joiner = StreamJoiner(ANSWER, prefilled=prefilled)
    assert joiner.feed(ANSWER[:30]) == ""
    with pytest.raises(AnswerMismatch):
        joiner.feed(" nobody knows")
        joiner.end()


def test_a_continuation_as_short_as_the_beginning_is_one() -> None:
    assert joined(ANSWER, ["The"], prefilled=True) == ANSWER + "The"
    assert joined(ANSWER, [], prefilled=True) == ANSWER


def test_a_space_that_the_prefill_lost_is_not_delivered_twice() -> None:
    assert joined("The sky ", [" is", " blue"], prefilled=True) == "The sky is blue"
    assert joined("The sky ", ["is blue"], prefilled=True) == "The sky is blue"


@pytest.mark.parametrize("new", [["\n\n", "second"], ["\n", "\nsecond"]], ids=["at once", "in two"])
def test_an_empty_line_that_the_prefill_lost_is_not_delivered_twice_however_it_is_cut(new: list[str]) -> None:
    assert joined("first:\n\n", new, prefilled=True) == "first:\n\nsecond"


@given(st.integers(1, len(ANSWER) - 1), cuts)
def test_an_answer_that_stops_short_of_what_was_delivered_is_another_one(end: int, lengths: list[int]) -> None:
    assert joined(ANSWER, pieces(ANSWER[:end], lengths), prefilled=False) is None
