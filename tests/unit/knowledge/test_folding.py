"""Near-copies of one matter take one place, under the best of them; what says something of its own, or a person wrote, keeps its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.knowledge import folding
from app.knowledge.folding import fold
from app.knowledge.item import Quote
from app.knowledge.neighbours import pack
from app.knowledge.results import Replacement, Result

AFTERNOON, NEXT_DAY = datetime(2026, 3, 3, 15, tzinfo=UTC), datetime(2026, 3, 4, 9, tzinfo=UTC)
LONG = "Restart the order worker after a failover of redis, since its connections are dead"
SHORT = "Restart the order worker after a failover of redis"
SAME = "After a redis failover, restart the order worker"


class Shelf:
    """Results in their order, with the rows that they were made of."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.rows: dict[UUID, Any] = {}

    def add(self, text: str, *, at: datetime = AFTERNOON, project: str = "shop", cosine: float = 0.9, **row: Any) -> Result:
        number = len(self.results) + 1
        vector = np.zeros(384, np.float32)
        vector[:2] = (1.0, 0.0) if number == 1 else (cosine, (1 - cosine**2) ** 0.5)
        made = Result(
            id=UUID(int=number), kind="item", type="gotcha", title=text, text=text, score=1 - number / 100, confidence=1.0,
            freshness="fresh", project=project, source=Quote(None, "t", "L1", text, at), created_at=at, evidence_count=1, explain={},
        )  # fmt: skip
        self.results.append(made)
        plain = {
            "title": text,
            "text": text,
            "paths": (),
            "embedding": pack(vector),
            "origin": "extracted",
            "corrected_at": None,
            "replaced_cause": None,
        }
        self.rows[made.id] = SimpleNamespace(**(plain | row))
        return made

    def folded(self, limit: int = 5) -> dict[int, tuple[int, ...]]:
        return {each.id.int: tuple(other.int for other in each.like or ()) for each in fold(self.results, self.rows, limit=limit)}


def test_what_says_the_same_or_less_is_folded_under_the_best() -> None:
    shelf = Shelf()
    for text in (LONG, SHORT, SAME):
        shelf.add(text)
    assert shelf.folded() == {1: (2, 3)}


def test_what_says_more_or_something_else_keeps_its_place() -> None:
    shelf = Shelf()
    for text in (SHORT, LONG, SHORT.replace("order", "mail"), SHORT + " 3 times", "Never " + SHORT.lower()):
        shelf.add(text, cosine=0.97)
    assert shelf.folded() == {1: (), 2: (), 3: (), 4: (), 5: ()}


def test_the_places_of_copies_go_to_others() -> None:
    shelf = Shelf()
    for text in (LONG, SHORT, SAME, "Deploys are frozen on Fridays", "Invoices are numbered by year"):
        shelf.add(text, cosine=0.9 if "worker" in text else 0.1)
    assert shelf.folded(limit=2) == {1: (2, 3), 4: ()}
    assert shelf.folded(limit=1) == {1: (2, 3)}


def test_less_of_another_day_or_project_or_unlike_it_is_no_copy() -> None:
    for unlike in ({"at": NEXT_DAY}, {"project": "till"}, {"cosine": 0.8}):
        shelf = Shelf()
        shelf.add(LONG)
        shelf.add(SHORT, **unlike)
        assert shelf.folded() == {1: (), 2: ()}, unlike


def test_what_a_person_wrote_and_what_is_replaced_or_contradicted_stands_for_itself() -> None:
    shelf = Shelf()
    shelf.add(LONG)
    shelf.add(SHORT, origin="recorded")
    shelf.add(SHORT, corrected_at=NEXT_DAY)
    shelf.add(SHORT)
    shelf.add(SHORT)
    shelf.results[3] = replace(shelf.results[3], contradicts=(UUID(int=9),))
    shelf.results[4] = replace(shelf.results[4], replaced_by=Replacement(UUID(int=8), "t", NEXT_DAY))
    assert list(shelf.folded().values()) == [()] * 5


def test_what_a_person_merged_is_folded_under_the_one_that_was_kept_whatever_both_say() -> None:
    shelf = Shelf()
    for text in (LONG, "Deploys are frozen on Fridays", "Invoices are numbered by year", "Nobody is on call at night"):
        shelf.add(text, cosine=0.1)
    for merged, into in ((2, 1), (3, 2), (4, 9)):
        number = merged - 1
        shelf.results[number] = replace(shelf.results[number], replaced_by=Replacement(UUID(int=into), "t", NEXT_DAY))
        shelf.rows[UUID(int=merged)].replaced_cause = "merged"
    assert shelf.folded() == {1: (2, 3), 4: ()}  # nothing of the last one's is found
    shelf.rows[UUID(int=2)].replaced_cause = "decided"
    assert shelf.folded() == {1: (), 2: (3,), 4: ()}


def test_explain_counts_the_copies() -> None:
    shelf = Shelf()
    shelf.add(LONG)
    shelf.add(SHORT)
    (found,) = fold(shelf.results, shelf.rows, limit=5)
    assert found.explain == {"folded": 1}


def test_one_result_is_compared_by_its_words_with_the_likest_few_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def differs(_: str, other: str) -> bool:
        asked.append(other)
        return True

    monkeypatch.setattr(folding, "differs", differs)
    shelf = Shelf()
    for number in range(12):
        shelf.add(f"The worker of queue {number} needs a restart of its own")
    assert len(shelf.folded(limit=12)) == 12
    assert max(Counter(asked).values()) == folding.MAX_COMPARED
