"""What people's verdicts weigh is bounded, and never turns the order of more and fewer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.freshness.verdicts import CODE_VERDICTS, CodeVerdict
from app.knowledge.weighing import (
    MAX_FACTOR,
    MIN_FACTOR,
    code_factor,
    feedback_factor,
    freshness,
    names_open_file,
    should_hide,
)

COUNT = st.integers(0, 1000)


@dataclass
class Judged:
    helpful: int = 0
    wrong: int = 0
    stale: int = 0
    used: int = 0
    refused: int = 0
    code_verdict: CodeVerdict | None = None


@given(COUNT, COUNT, COUNT, COUNT, COUNT)
def test_a_factor_is_bounded_however_many_judge(helpful: int, wrong: int, stale: int, used: int, refused: int) -> None:
    assert MIN_FACTOR <= feedback_factor(Judged(helpful, wrong, stale, used, refused)) <= MAX_FACTOR


@given(COUNT, COUNT, COUNT, COUNT, COUNT)
def test_another_verdict_never_moves_the_factor_the_wrong_way(helpful: int, wrong: int, stale: int, used: int, refused: int) -> None:
    factor = feedback_factor(Judged(helpful, wrong, stale, used, refused))
    assert feedback_factor(Judged(helpful + 1, wrong, stale, used, refused)) >= factor
    assert feedback_factor(Judged(helpful, wrong + 1, stale, used, refused)) <= factor
    assert feedback_factor(Judged(helpful, wrong, stale + 1, used, refused)) <= factor
    assert feedback_factor(Judged(helpful, wrong, stale, used + 1, refused)) >= factor
    assert feedback_factor(Judged(helpful, wrong, stale, used, refused + 1)) <= factor


@given(COUNT, COUNT)
def test_sessions_never_outweigh_one_persons_word(used: int, refused: int) -> None:
    assert feedback_factor(Judged(used=used)) <= feedback_factor(Judged(helpful=1))
    assert feedback_factor(Judged(helpful=1, refused=refused)) >= 1
    assert feedback_factor(Judged(wrong=1, used=used)) == feedback_factor(Judged(wrong=1))
    assert feedback_factor(Judged(stale=1, used=used)) == feedback_factor(Judged(stale=1))


@given(COUNT, COUNT, COUNT)
def test_people_weigh_what_they_weighed_before_where_no_session_used_it(helpful: int, wrong: int, stale: int) -> None:
    by_people = 1.0 + min(0.09, 0.03 * helpful) - min(0.24, 0.12 * stale) - min(0.15, 0.15 * wrong)
    assert feedback_factor(Judged(helpful, wrong, stale)) == pytest.approx(min(1.09, max(0.65, by_people)))


def test_nobodys_verdict_changes_nothing_and_one_of_each_kind_does() -> None:
    assert feedback_factor(Judged()) == 1
    assert feedback_factor(Judged(helpful=1)) > 1 > feedback_factor(Judged(stale=1)) > feedback_factor(Judged(wrong=1))


@pytest.mark.parametrize(
    ("path", "file", "same"),
    [
        ("app/mail.py", "app/mail.py", True),
        ("app/mail.py", "/home/ada/shop/app/mail.py", True),
        ("./app/mail.py", "C:\\shop\\app\\mail.py", True),
        ("/home/bob/shop/app/mail.py", "app/mail.py", True),
        ("app/mail.py", "app/email.py", False),
        ("app/mail.py", "lib/mail.py", False),
        ("", "app/mail.py", False),
        ("/", "app/mail.py", False),
    ],
)
def test_a_path_is_an_open_file_where_one_ends_as_the_other(path: str, file: str, same: bool) -> None:
    assert names_open_file([path], [file]) is same


def test_an_item_is_stale_where_more_say_so_than_find_it_helpful() -> None:
    assert freshness(Judged(stale=1)) == "stale"
    assert freshness(Judged(helpful=1, stale=2)) == "stale"
    assert freshness(Judged(helpful=1, stale=1)) == "fresh"
    assert freshness(Judged()) == "fresh"


@pytest.mark.parametrize("verdict", CODE_VERDICTS)
def test_the_code_says_how_fresh_an_item_is_unless_people_say_it_is_stale(verdict: CodeVerdict) -> None:
    assert freshness(Judged(code_verdict=verdict)) == verdict
    assert freshness(Judged(stale=1, code_verdict=verdict)) == "stale"


def test_what_the_code_says_weighs_no_more_than_one_persons_verdict() -> None:
    assert code_factor(Judged()) == code_factor(Judged(code_verdict="fresh")) == code_factor(Judged(code_verdict="unverifiable")) == 1
    assert 1 > code_factor(Judged(code_verdict="changed")) > code_factor(Judged(code_verdict="gone")) >= feedback_factor(Judged(stale=1))


def test_two_people_hide_an_item_and_so_does_its_author() -> None:
    assert not should_hide(wrong=0, by_author=False)
    assert not should_hide(wrong=1, by_author=False)
    assert should_hide(wrong=2, by_author=False)
    assert should_hide(wrong=1, by_author=True)
