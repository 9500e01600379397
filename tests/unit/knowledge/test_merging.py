"""The wording that is elected among an item's evidence: the rules' own, none that says less than another, and few comparisons for many."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from app.knowledge import merging
from app.knowledge.near_copies import is_near_copy

LESS = "The nightly stock export fails because the connection pool is exhausted."
MORE = "The nightly stock export of the warehouse fails because the connection pool is exhausted by open transactions."


def row(text: str, *, confidence: float = 0.5, distilled: bool = False) -> Any:
    return SimpleNamespace(text=text, confidence=confidence, distilled=distilled, candidate_key=text)


@pytest.mark.parametrize(
    ("rows", "elected"),
    [
        ([row(LESS, confidence=0.9), row(MORE)], MORE),
        ([row(LESS, confidence=0.9), row(MORE, confidence=0.99, distilled=True)], LESS),
        ([row(LESS, distilled=True), row(MORE, confidence=0.9, distilled=True)], MORE),
        ([row(LESS, confidence=0.9), row(LESS, confidence=0.4), row("Restart the exporter at night.", confidence=0.5)], LESS),
    ],
    ids=["richer", "of the rules", "of models alone", "surer"],
)
def test_the_surest_words_of_the_rules_that_say_no_less_than_others_are_elected(rows: Sequence[Any], elected: str) -> None:
    assert merging._best_of(rows).text == merging._best_of(list(reversed(rows))).text == elected


def test_of_what_a_thousand_sessions_say_each_wording_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def counted(poorer: str, richer: str) -> bool:
        compared.append((poorer, richer))
        return is_near_copy(poorer, richer)

    monkeypatch.setattr(merging, "is_near_copy", counted)
    texts = [f"The export of shop {n} fails because the pool is exhausted." for n in range(40)]
    assert merging._best_of([row(texts[n % 40]) for n in range(1_000)]).text == max(texts, key=lambda each: (len(each), each))
    assert len(compared) == len(set(compared)) <= 40
