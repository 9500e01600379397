"""The two legs are fused without any text, and each keeps its raw scores; without vectors shared terms say what is relevant."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from app.knowledge.passage_search import coverage, fused
from app.knowledge.passages.ranking import RERANKED
from app.storage.vectors.store import Hit


def hits(scores: dict[int, float]) -> list[Hit]:
    return [Hit(UUID(int=number), score) for number, score in scores.items()]


def test_the_best_of_both_legs_comes_first_and_each_keeps_its_raw_scores() -> None:
    legs = fused(hits({1: 0.9, 2: 0.5, 3: 0.1}), hits({2: 9.0, 4: 1.0}))
    assert list(legs)[:2] in ([UUID(int=2), UUID(int=1)], [UUID(int=1), UUID(int=2)])
    assert {key.int: (leg.cosine, leg.bm25) for key, leg in legs.items()} == {1: (0.9, None), 2: (0.5, 9.0), 3: (0.1, None), 4: (None, 1.0)}


@pytest.mark.parametrize("seed", range(20))
def test_no_more_are_chosen_than_are_read_and_none_twice(seed: int) -> None:
    chosen = np.random.default_rng(seed)
    dense = {int(n): float(chosen.uniform(0.1, 0.9)) for n in chosen.choice(90, 60, replace=False)}
    lexical = {int(n): float(chosen.gamma(2, 4)) for n in chosen.choice(90, 60, replace=False)}
    for limit in (1, RERANKED, 200):
        legs = fused(hits(dense), hits(lexical), limit=limit)
        assert len(legs) == min(limit, len(dense.keys() | lexical.keys()))
        assert all(leg.cosine is not None or leg.bm25 is not None for leg in legs.values())


def test_one_leg_alone_orders_too_and_none_finds_nothing() -> None:
    assert [key.int for key in fused([], hits({1: 1.0, 2: 3.0, 3: 2.0}))] == [2, 3, 1]
    assert [key.int for key in fused(hits({1: 0.1, 2: 0.3}), [])] == [2, 1]
    assert fused([], []) == {}


@pytest.mark.parametrize(
    ("question", "text", "share"),
    [
        ("connection pool", "the pool of connections", 1.0),
        ("connection pool size", "the pool of connections", 2 / 3),
        ("zeppelin", "the pool of connections", 0.0),
        ("the of", "the pool of connections", 0.0),
        ("连接池", "连接池只有五个连接", 1.0),
    ],
)
def test_coverage_is_the_share_of_the_questions_terms(question: str, text: str, share: float) -> None:
    assert coverage(question, [text]) == [pytest.approx(share)]
