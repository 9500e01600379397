"""Results within a budget of tokens: those that fit, in order; a first one that doesn't is cut, never over the budget."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.item import Quote
from app.knowledge.results import Result
from app.knowledge.search import fit_budget
from app.tokens import count_text

SOURCE = Quote(UUID(int=1), "t.jsonl", "L1", "said", None)


def result(text: str) -> Result:
    return Result(
        id=UUID(int=2),
        kind="passage",
        type="passage",
        title="t",
        text=text,
        score=0.5,
        confidence=1.0,
        freshness="fresh",
        project="shop",
        source=SOURCE,
        created_at=None,
        evidence_count=1,
    )


def test_what_does_not_fit_is_left_out_and_what_comes_after_may_still_fit() -> None:
    short, long = "five words are in here", "word " * 500
    kept, tokens = fit_budget([result(short), result(long), result(short)], 20)
    assert [each.text for each in kept] == [short, short]
    assert tokens == 2 * count_text(short)


def test_a_first_one_that_is_too_long_is_cut_unless_it_may_not_be() -> None:
    long = "The pool holds five connections. " * 100
    kept, tokens = fit_budget([result(long)], 50)
    assert long.startswith(kept[0].text)
    assert 40 <= tokens == count_text(kept[0].text) <= 50
    assert fit_budget([result(long)], 50, cut=False) == ([], 0)


@given(texts=st.lists(st.text(max_size=600), max_size=6), room=st.integers(1, 400))
def test_the_room_is_never_exceeded(texts: list[str], room: int) -> None:
    kept, tokens = fit_budget([result(text) for text in texts], room)
    assert tokens == sum(count_text(each.text) for each in kept) <= room


@pytest.mark.parametrize("text", ["连接池只有五个连接。" * 90, "🧵🪡" * 200, "مرحبا بالعالم " * 60, "x" * 4000])
def test_any_script_is_cut_within_the_room(text: str) -> None:
    kept, tokens = fit_budget([result(text)], 100)
    assert kept[0].text
    assert text.startswith(kept[0].text)
    assert tokens <= 100
