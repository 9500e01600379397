"""Ranking looks closely only at what may come among the first, and finds the same as if it had looked at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.embeddings.longform import MODEL as LONG_MODEL
from app.freshness.verdicts import CODE_VERDICTS, CodeVerdict
from app.knowledge.neighbours import pack
from app.knowledge.ranking import MIN_SUPPORTED, SESSION_WEIGHT, Support, rank
from app.knowledge.results import Query, Result
from app.settings import KnowledgeSettings
from app.storage.vectors import lexical

WORDS = ["queue", "broker", "retries", "timeout", "payment", "worker", "ECONNREFUSED", "app/mail.py", "cache", "index", "queries"]
PROJECTS = [UUID(int=1), UUID(int=2)]
TODAY = datetime.now(UTC)
NAMES = {PROJECTS[0]: "shop", PROJECTS[1]: "till"}


@dataclass
class Row:
    """As `_BY_ID` gives it."""

    id: UUID
    title: str
    text: str
    embedding: bytes
    confidence: float
    last_seen_at: datetime
    project_id: UUID
    type: str = "gotcha"
    origin: str = "extracted"
    session_id: UUID = PROJECTS[0]
    transcript: str = "t"
    locator: str = "L1"
    excerpt: str = "e"
    at: datetime | None = None
    evidence_count: int = 1
    long_embedding: bytes | None = None
    long_embedding_model: str | None = LONG_MODEL
    corrected_at: datetime | None = None
    paths: tuple[str, ...] = ()
    helpful: int = 0
    wrong: int = 0
    stale: int = 0
    used: int = 0
    refused: int = 0
    code_verdict: CodeVerdict | None = None
    replaced_by: UUID | None = None
    replaced_by_title: str | None = None
    replaced_at: datetime | None = None
    contradicts: tuple[UUID, ...] | None = None
    portable: bool = False
    people: int = 0
    created_at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def rows(seed: int, count: int = 60) -> tuple[list[Row], Any]:
    chosen = np.random.default_rng(seed)
    question = chosen.standard_normal(384)
    made = []
    for number in range(count):
        vector = question * chosen.uniform(-0.2, 1) + chosen.standard_normal(384) * chosen.uniform(0.2, 1.5)
        words = " ".join(chosen.choice(WORDS, 4))
        made.append(
            Row(
                UUID(int=number),
                words,
                f"{words}.",
                pack(_unit(vector)),
                float(chosen.uniform()),
                datetime.now(UTC) - timedelta(days=int(chosen.integers(0, 400))),
                PROJECTS[number % 2],
                long_embedding=pack(_unit(chosen.standard_normal(1536))) if number % 5 == 0 else None,
            )
        )
    return made, _unit(question)


def _unit(vector: Any) -> Any:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def ranked(query: Query, found: list[Row], vector: Any) -> list[Result]:
    least = KnowledgeSettings().min_relevance if query.min_score is None else query.min_score
    return rank(query, found, vector, NAMES, limit=query.limit, min_score=least)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("text", ["why do the payment retries time out", "ECONNREFUSED in app/mail.py", "query", "…"])
def test_the_first_ten_are_those_of_a_ranking_of_all(seed: int, text: str) -> None:
    found, vector = rows(seed)
    for fields in ({}, {"min_score": 0.0}, {"min_score": 0.4}, {"prefer_project": "till"}):
        few = ranked(Query(text, limit=10, **fields), found, vector)  # type: ignore[arg-type]
        everything = ranked(Query(text, limit=len(found), **fields), found, vector)  # type: ignore[arg-type]
        assert [(each.id, each.score) for each in few] == [(each.id, each.score) for each in everything[:10]]


def test_most_texts_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    distinct = lexical.distinct
    monkeypatch.setattr(lexical, "distinct", lambda text: taken.append(text) or distinct(text))
    found, vector = rows(1)
    ranked(Query("why do the payment retries time out", limit=3), found, vector)
    assert len(taken) < len(found) / 2


def test_without_a_vector_every_text_is_read() -> None:
    found, _ = rows(1)
    told = ranked(Query("broker", limit=3), found, None)
    assert {each.id for each in told[:3]} <= {row.id for row in found if "broker" in row.text}


def test_what_was_distilled_answers_no_better_than_what_was_said_and_what_was_written_down_by_itself() -> None:
    found, vector = rows(1)
    found[0].origin = "recorded"
    plain = {each.id: each.score for each in rank(Query("broker", limit=60), found, vector, NAMES, limit=60, min_score=0.0)}  # type: ignore[arg-type]
    lower = rank(Query("broker", limit=60), found, vector, NAMES, limit=60, min_score=0.0, support=Support(answered=0.5))  # type: ignore[arg-type]
    assert {each.id: each.score for each in lower} == {
        item: pytest.approx(score * (1.0 if item == found[0].id else 0.5), abs=1e-4) for item, score in plain.items()
    }


def test_an_item_gains_by_the_passages_of_its_session_and_then_needs_less_of_its_own() -> None:
    said, elsewhere = UUID(int=8), UUID(int=9)
    vector = _unit(np.random.default_rng(1).standard_normal(384))
    weak = _unit(vector + 2.6 * _unit(np.random.default_rng(2).standard_normal(384)))
    found = [
        Row(UUID(int=n), "Retries", "Retries.", pack(weak), 0.9, TODAY, PROJECTS[0], session_id=each)
        for n, each in ((1, said), (2, elsewhere))
    ]
    plain = {each.id: each.score for each in ranked(Query("broker", min_score=0), found, vector)}
    assert MIN_SUPPORTED < plain[found[0].id] < KnowledgeSettings().min_relevance

    def supported(query: Query) -> list[Result]:
        least = KnowledgeSettings().min_relevance if query.min_score is None else query.min_score
        support = Support(sessions={said: 0.5})
        return rank(query, found, vector, NAMES, limit=10, min_score=least, support=support)  # type: ignore[arg-type]

    (only,) = supported(Query("broker", explain=True))
    assert only.id == found[0].id
    assert only.score == pytest.approx(plain[only.id] + 0.5 * SESSION_WEIGHT, abs=1e-4)
    assert only.explain is not None
    assert only.explain["session_added"] == pytest.approx(0.5 * SESSION_WEIGHT)
    assert not supported(Query("broker", min_score=0.6)), "a caller's least score holds for all"


@pytest.mark.parametrize("seed", range(4))
def test_the_first_ten_are_those_of_a_ranking_of_all_where_sessions_count_too(seed: int) -> None:
    found, vector = rows(seed)
    sessions = {}
    for number, row in enumerate(found):
        row.session_id = UUID(int=number % 7)
        sessions[row.session_id] = (number % 7) / 7
    few, everything = (
        rank(Query("payment retries"), found, vector, NAMES, limit=limit, min_score=0.3, support=Support(sessions=sessions))  # type: ignore[arg-type]
        for limit in (10, len(found))
    )
    assert [(each.id, each.score) for each in few] == [(each.id, each.score) for each in everything[:10]]


def test_where_nothing_said_answers_only_what_a_person_wrote_may() -> None:
    found, vector = rows(1)
    found[0].origin = "recorded"
    told = rank(Query("broker"), found, vector, NAMES, limit=60, min_score=0.0, support=Support(rejected=True))  # type: ignore[arg-type]
    assert [each.id for each in told] == [found[0].id]


@pytest.mark.parametrize(
    "written", [{"origin": "recorded"}, {"corrected_at": datetime(2026, 2, 1, tzinfo=UTC)}], ids=["recorded", "corrected"]
)
def test_of_two_items_that_say_the_same_a_persons_comes_first(written: dict[str, Any]) -> None:
    vector = _unit(np.random.default_rng(1).standard_normal(384))
    near = _unit(vector + 0.5 * _unit(np.random.default_rng(2).standard_normal(384)))
    extracted, persons = (Row(UUID(int=n), "Retries", "Retries.", pack(near), 0.9, TODAY, PROJECTS[0]) for n in (1, 2))
    for name, value in written.items():
        setattr(persons, name, value)
    first, second = ranked(Query("broker", explain=True), [extracted, persons], vector)
    assert (first.id, second.id) == (persons.id, extracted.id)
    assert first.explain is not None
    assert 1 < first.explain["written_factor"] <= 1.15  # type: ignore[operator]


def test_an_item_of_an_open_file_comes_first() -> None:
    vector = _unit(np.random.default_rng(1).standard_normal(384))
    near = _unit(vector + 0.5 * _unit(np.random.default_rng(2).standard_normal(384)))
    other, ours = (Row(UUID(int=n), "Retries", "Retries.", pack(near), 0.9, TODAY, PROJECTS[0]) for n in (1, 2))
    other.paths, ours.paths = ("app/payments/mail.py",), ("payments/retry.py",)
    first, _ = ranked(Query("broker", files=("/home/ada/shop/payments/retry.py",)), [other, ours], vector)
    assert first.id == ours.id


def test_explain_tells_every_factor_of_a_score() -> None:
    found, vector = judged(3)
    for each in ranked(Query("broker payment", explain=True, min_score=0.0, limit=60), found, vector):
        assert each.explain is not None
        factors = [value for name, value in each.explain.items() if name.endswith("_factor")]
        assert each.score == pytest.approx(min(1.0, each.explain["relevance"] * float(np.prod(factors))), abs=5e-4)  # type: ignore[operator,arg-type]


@pytest.mark.parametrize("seed", range(8))
def test_the_first_ten_are_those_of_all_also_where_people_judged(seed: int) -> None:
    found, vector = judged(seed)
    few = ranked(Query("why do the payment retries time out"), found, vector)
    everything = ranked(Query("why do the payment retries time out", limit=len(found)), found, vector)
    assert [(each.id, each.score) for each in few] == [(each.id, each.score) for each in everything[:10]]


def judged(seed: int) -> tuple[list[Row], Any]:
    """Rows of which people recorded some, and judged most."""
    found, vector = rows(seed)
    chosen = np.random.default_rng(seed)
    for row in found:
        row.helpful, row.wrong, row.stale, row.used, row.refused = (int(count) for count in chosen.integers(0, 4, 5))
        row.code_verdict = (None, *CODE_VERDICTS)[int(chosen.integers(0, 5))]
        row.origin = str(chosen.choice(["extracted", "recorded"]))
    return found, vector
