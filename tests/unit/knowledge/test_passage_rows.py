"""By which terms PostgreSQL is asked: the rare ones, while there are any."""

from __future__ import annotations

import pytest

from app.knowledge.passage_rows import rarest

SHARES = {1: 0.9, 2: 0.3, 3: 0.015, 4: 0.01, 5: 0.004}


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        ([1, 2, 9], [9]),
        ([1, 2, 3], [3]),
        ([5, 4, 3], [5, 4]),
        ([1, 2], [2]),
        ([1], [1]),
        ([7, 8, 9], [7, 8, 9]),
        ([], []),
    ],
)
def test_the_rarest_terms_are_kept_while_few_passages_hold_them(terms: list[int], kept: list[int]) -> None:
    assert rarest(terms, SHARES) == kept
