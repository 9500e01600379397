"""A result that was replaced stands behind its replacement, which answers at least as well as it."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.item import Quote
from app.knowledge.replaced_order import REPLACED, newer_first
from app.knowledge.results import Replacement, Result


def result(number: int, score: float, *, by: int | None = None) -> Result:
    said = datetime(2026, 1, number, tzinfo=UTC)
    return Result(
        id=UUID(int=number),
        kind="item",
        type="gotcha",
        title=f"t{number}",
        text="x",
        score=score,
        confidence=1.0,
        freshness="fresh",
        project="shop",
        source=Quote(None, "t", "L1", "x", None),
        created_at=said,
        evidence_count=1,
        explain={},
        replaced_by=None if by is None else Replacement(UUID(int=by), f"t{by}", said),
    )


def order(found: list[Result]) -> list[tuple[int, float]]:
    return [(each.id.int, each.score) for each in found]


def test_the_replacement_takes_the_score_and_the_replaced_one_less() -> None:
    found = newer_first([result(1, 0.8, by=2), result(2, 0.5), result(3, 0.6)], [], limit=5)
    assert order(found) == [(2, 0.8), (3, 0.6), (1, round(0.8 * REPLACED, 4))]
    assert found[2].explain == {"replaced_factor": REPLACED}


def test_a_replacement_that_the_question_did_not_find_is_added() -> None:
    assert order(newer_first([result(1, 0.8, by=2)], [result(2, 0.1)], limit=1)) == [(2, 0.8)]


def test_one_whose_replacement_is_away_is_only_lowered() -> None:
    assert order(newer_first([result(1, 0.5, by=9)], [], limit=5)) == [(1, 0.3)]


def test_what_nothing_replaces_stays_as_it_is() -> None:
    ranked = [result(1, 0.8), result(2, 0.5)]
    assert newer_first(ranked, [result(3, 0.9)], limit=5) == ranked


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6))
def test_of_any_chain_the_later_is_before_the_earlier(scores: list[float]) -> None:
    last = len(scores)
    chain = [result(place, round(score, 4), by=place + 1 if place < last else None) for place, score in enumerate(scores, start=1)]
    assert [each.id.int for each in newer_first(chain, [], limit=9)] == list(range(last, 0, -1))


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_of_any_chain_that_people_made_the_one_that_holds_is_first(scores: list[float], chance: Random) -> None:
    """A person merges in any direction, also a later one into an earlier one."""
    numbers = list(range(1, len(scores) + 1))
    chance.shuffle(numbers)
    following = [*numbers[1:], None]
    chain = [result(number, round(score, 4), by=by) for number, score, by in zip(numbers, scores, following, strict=True)]
    chance.shuffle(chain)
    assert [each.id.int for each in newer_first(chain, [], limit=9)] == numbers[::-1]
