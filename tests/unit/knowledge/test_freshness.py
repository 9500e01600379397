"""Freshness: the label of an age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.knowledge.freshness import WEIGHT, freshness

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "label"),
    [
        (0, "fresh"),
        (29.9, "fresh"),
        (30, "aging"),
        (89.9, "aging"),
        (90, "stale"),
        (179.9, "stale"),
        (180, "deprecated"),
        (4000, "deprecated"),
    ],
)
def test_an_age_has_the_contracts_label(days: float, label: str) -> None:
    assert freshness(NOW - timedelta(days=days), NOW) == label


def test_older_never_weighs_more() -> None:
    weights = [WEIGHT[freshness(NOW - timedelta(days=days), NOW)] for days in range(400)]
    assert weights == sorted(weights, reverse=True)
