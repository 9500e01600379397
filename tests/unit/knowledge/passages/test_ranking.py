"""Candidates → results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from app.embeddings import late_interaction
from app.knowledge.passages import Candidate, Question, rank_passages
from app.knowledge.passages.composing import GAP, compose
from app.knowledge.passages.ranking import RERANKED, rank_candidates, standardized
from app.knowledge.passages.terms import terms


def question(text: str = "why", **given: Any) -> Question:
    return Question(text, (), np.zeros((0, late_interaction.DIMS), dtype=np.float32), **given)


def candidate(number: int, text: str = "some words", *, session: str | None = None, **given: Any) -> Candidate:
    given = {"bm25": 1.0, "cosine": 0.5} | given
    return Candidate(str(number), session or f"s{number}", 1, number, text, b"", **given)


def count(text: str) -> int:
    return len(text.split())


def first(asked: Question, *candidates: Candidate) -> str:
    return rank_candidates(asked, candidates)[0].candidate.id


def test_what_both_legs_found_comes_before_what_one_found() -> None:
    one_leg = [candidate(1, cosine=None, bm25=9.0), candidate(3, cosine=0.9, bm25=None)]
    assert first(question(), *one_leg, candidate(2, cosine=0.9, bm25=9.0), candidate(4, cosine=0.1, bm25=1.0)) == "2"


@pytest.mark.parametrize(
    ("asked", "steered"),
    [
        (question(codes=("e_4711",)), candidate(2, "it said E_4711 again")),
        (question(files=("/home/a/app/mail/send.py",)), candidate(2, files=("mail/send.py",))),
        (question(prefer_project="shop"), candidate(2, project="shop")),
        (
            question(window=(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))),
            candidate(2, at=datetime(2026, 3, 9, tzinfo=UTC)),
        ),
    ],
    ids=["code", "file", "project", "dates"],
)
def test_what_the_caller_names_steers_between_equals(asked: Question, steered: Candidate) -> None:
    assert first(asked, candidate(1), steered, candidate(3)) == "2"
    assert first(question(), candidate(1), steered, candidate(3)) == "1"


def test_of_equals_the_newer_comes_first() -> None:
    old, new = (candidate(number, at=datetime(2020 + number, 1, 1, tzinfo=UTC)) for number in (1, 2))
    assert first(question(), old, new) == "2"


def test_the_parts_of_a_score_add_up_to_it() -> None:
    for each in rank_candidates(question(codes=("some",)), [candidate(number, bm25=float(number)) for number in range(5)]):
        assert sum(each.parts.values()) == pytest.approx(each.score)


def test_every_candidate_is_ranked_once_and_scores_never_rise() -> None:
    made = rank_candidates(question(), [candidate(number, bm25=float(number % 7), cosine=number / 100) for number in range(RERANKED * 2)])
    assert len({each.candidate.id for each in made}) == RERANKED * 2
    assert [each.score for each in made] == sorted((each.score for each in made), reverse=True)


def test_late_interaction_decides_between_candidates_that_the_legs_think_equal() -> None:
    generator = np.random.default_rng(3)
    tokens = late_interaction.unit(generator.normal(size=(2, 384)).astype(np.float32))
    asked = Question("pool", ("pool",), late_interaction.question_vectors(tokens[:1]))
    packed = [late_interaction.pack(["pool"], tokens[place : place + 1]) for place in (1, 0)]
    made = [Candidate(str(place), f"s{place}", 1, 0, "the pool", packed[place], 1.0, 0.5) for place in range(2)]
    assert first(asked, *made) == "1"


def test_results_stay_within_their_tokens_all_together() -> None:
    scored = rank_candidates(question(), [candidate(number, "word " * 30) for number in range(20)])
    made = compose(question(), scored, {}, max_tokens=100, count=count)
    assert made
    assert sum(each.tokens for each in made) <= 100


def test_a_result_grows_by_its_neighbours_in_order_and_shows_what_is_left_out() -> None:
    around = [candidate(number, f"part {number}", session="s") for number in range(6)]
    (made,) = compose(question(), rank_candidates(question(), [around[3]]), {("s", 1): [around[1], around[4], around[3]]}, count=count)
    assert made.text == f"part 1\n{GAP}\npart 3\npart 4"
    assert made.passages[0] == "3"


def test_passages_that_one_result_holds_are_not_results_again() -> None:
    around = [candidate(number, f"part {number}", session="s") for number in range(12)]
    made = compose(question(), rank_candidates(question(), around), {("s", 1): around}, count=count)
    held = [held for each in made for held in each.passages]
    assert len(held) == len(set(held))


def test_one_session_leaves_room_for_others() -> None:
    many = [candidate(number, session="s", bm25=9.0) for number in range(30)]
    made = compose(question(), rank_candidates(question(), [*many, candidate(99)]), {}, count=count)
    assert "99" in {each.candidate.id for each in made}


def test_nothing_found_is_an_empty_answer_without_confidence() -> None:
    answer = rank_passages(question(), [], lambda _: {}, lambda _: 1.0)
    assert (answer.results, answer.confidence) == ([], 0.0)


def test_a_good_answer_is_believed_more_than_a_poor_one() -> None:
    def answered(bm25: float, idf: dict[str, float]) -> float:
        found = [candidate(number, bm25=bm25 / (number + 1)) for number in range(5)]
        return rank_passages(question("pool exhausted"), found, lambda _: {}, lambda term: idf.get(term, 7.0)).confidence

    assert 1 >= answered(18, {"pool": 3.0, "exhaust": 4.0}) > answered(2, {"pool": 3.0}) >= 0


def test_relevance_lies_between_0_and_1_and_never_rises() -> None:
    answer = rank_passages(question(), [candidate(number, bm25=float(number)) for number in range(8)], lambda _: {}, lambda _: 1.0)
    shown = [each.relevance for each in answer.results]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == pytest.approx(answer.confidence)
    assert 0 <= min(shown) <= max(shown) <= 1


def test_missing_scores_count_as_the_least_and_equal_ones_as_nothing() -> None:
    assert standardized([3.0, None, 1.0])[1] == standardized([3.0, None, 1.0])[2]
    assert standardized([2.0, 2.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("one", "other"), [("caching", "cached"), ("stopped", "stopping"), ("retries", "retry"), ("cache", "caches")])
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize("code", ["E_RATED", "--no-verified", "app/embedding.py", "load_paging"])
def test_codes_flags_paths_and_symbols_stay_whole(code: str) -> None:
    assert code.casefold() in terms(code)
