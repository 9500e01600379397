"""The breadth of a search is the least that finds enough, measured against exact search."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.storage.vectors.breadth import BREADTHS, SAMPLE, K, min_breadth

STORED = [[float(n), 1.0, 0.5] for n in range(50)]


def finding(enough: int) -> tuple[list[int | None], object]:
    """A search that finds all from so broad a one on, and misses one in ten below."""
    asked: list[int | None] = []

    def search(question: Sequence[float], ef: int | None) -> list[str]:
        asked.append(ef)
        ids = [f"{round(question[0], 6)}-{place}" for place in range(K)]
        return ids if ef is None or ef >= enough else [*ids[:-1], "another"]

    return asked, search


@pytest.mark.parametrize("enough", BREADTHS)
def test_the_least_that_is_enough_is_chosen(enough: int) -> None:
    assert min_breadth(STORED, finding(enough)[1], recall=0.95) == enough  # type: ignore[arg-type]


def test_what_is_missed_within_the_recall_that_is_wanted_costs_nothing() -> None:
    assert min_breadth(STORED, finding(10_000)[1], recall=0.9) == BREADTHS[0]  # type: ignore[arg-type]


def test_where_none_is_enough_the_broadest_is_taken() -> None:
    assert min_breadth(STORED, finding(10_000)[1], recall=0.99) == BREADTHS[-1]  # type: ignore[arg-type]


def test_exact_search_is_asked_once_a_question() -> None:
    asked, search = finding(BREADTHS[2])
    min_breadth(STORED, search, recall=0.99)  # type: ignore[arg-type]
    assert asked.count(None) == SAMPLE
