"""Candidates → results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from app.embeddings import late_interaction
from app.knowledge.passages import PassageCandidate, Place, Question, Ranked, fuse, neighbours, rank_passages
from app.knowledge.passages.composing import FIRST, GAP, MAX_A_SESSION, NEAR, REACH, compose
from app.knowledge.passages.ranking import rank_candidates, standardized, token_weights
from app.knowledge.passages.terms import PART, query_weights, terms


def question(text: str = "why", **given: Any) -> Question:
    return Question(text, (), np.zeros((0, late_interaction.DIMS), dtype=np.float32), **given)


def candidate(number: int, text: str = "some words", *, session: str | None = None, **given: Any) -> PassageCandidate:
    given = {"bm25": 1.0, "cosine": 0.5} | given
    return PassageCandidate(str(number), session or f"s{number}", 1, number, text, b"", **given)


def count(text: str) -> int:
    return len(text.split())


def first(asked: Question, *candidates: PassageCandidate) -> str:
    return rank_candidates(asked, candidates).scored[0].candidate.id


def composed(candidates: Sequence[PassageCandidate], around: Sequence[PassageCandidate] = (), **given: Any) -> list[Ranked]:
    places: Mapping[Place, PassageCandidate] = {(one.session, one.ordinal): one for one in around}
    return compose(question(), rank_candidates(question(), candidates), places, count=count, **given)


def test_the_passages_worth_reading_are_the_best_of_both_legs() -> None:
    bm25 = {"both": 9.0, "terms": 9.0, "weak": 1.0}
    cosine = {"both": 0.9, "meaning": 0.9, "weaker": 0.1}
    assert fuse(bm25, cosine, limit=3) == ["both", "meaning", "terms"]
    assert fuse({}, {}) == []


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
def test_what_the_caller_names_steers_between_equals(asked: Question, steered: PassageCandidate) -> None:
    assert first(asked, candidate(1), steered, candidate(3)) == "2"
    assert first(question(), candidate(1), steered, candidate(3)) == "1"


def test_the_parts_of_a_score_add_up_to_it() -> None:
    for each in rank_candidates(question(codes=("some",)), [candidate(number, bm25=float(number)) for number in range(5)]).scored:
        assert sum(each.parts.values()) == pytest.approx(each.score)


def test_every_candidate_is_ranked_once_and_scores_never_rise() -> None:
    made = rank_candidates(question(), [candidate(number, bm25=float(number % 7), cosine=number / 100) for number in range(80)]).scored
    assert len({each.candidate.id for each in made}) == 80
    assert [each.score for each in made] == sorted((each.score for each in made), reverse=True)


def test_late_interaction_decides_between_candidates_that_the_legs_think_equal() -> None:
    generator = np.random.default_rng(3)
    tokens = late_interaction.unit(generator.normal(size=(2, 384)).astype(np.float32))
    asked = Question("pool", ("pool",), late_interaction.question_vectors(tokens[:1]))
    packed = [late_interaction.pack(["pool"], tokens[place : place + 1]) for place in (1, 0)]
    made = [PassageCandidate(str(place), f"s{place}", 1, 0, "the pool", packed[place], 1.0, 0.5) for place in range(2)]
    assert first(asked, *made) == "1"


def test_the_prompt_that_a_passage_answers_tells_what_it_is_about() -> None:
    asked = question("how does the shop retry")
    silent, told = candidate(1, "it retries thrice", prompt="and the mailer?"), candidate(2, "it retries thrice", prompt="The shop, please")
    assert first(asked, silent, told, candidate(3, "it retries thrice")) == "2"


def test_a_word_of_several_tokens_weighs_as_much_as_any_other() -> None:
    asked = Question("why", ("pool", "exhausted", "exhausted", "why"), np.zeros((4, late_interaction.DIMS), dtype=np.float32))
    pool, exhausted, again, why = token_weights(asked, ["pool exhausted, why"] * 3)
    assert exhausted + again == pytest.approx(pool)
    assert exhausted == again
    assert why < pool


def test_results_stay_within_their_tokens_all_together() -> None:
    made = composed([candidate(number, "word " * 30) for number in range(20)], max_tokens=100)
    assert made
    assert sum(each.tokens for each in made) <= 100


def test_the_first_result_is_shown_even_when_it_is_longer_than_the_budget() -> None:
    assert [each.candidate.id for each in composed([candidate(1, "word " * 90), candidate(2, "word " * 90)], max_tokens=50)] == ["1"]


def test_a_result_grows_by_its_neighbours_in_order_and_shows_what_is_left_out() -> None:
    around = [candidate(number, f"part {number}", session="s") for number in (1, 4)]
    (made,) = composed([candidate(3, "part 3", session="s")], around)
    assert made.text == f"part 1\n\n{GAP}\n\npart 3\n\npart 4"
    assert made.passages[0] == "3"


def test_only_the_places_beside_the_first_candidates_are_asked_for() -> None:
    found = [candidate(1, session="s"), candidate(2, session="s"), *(candidate(number) for number in range(10, 30))]
    places = neighbours(rank_candidates(question(), found).scored)
    assert {place for place in places if place[0] == "s"} == {("s", 0), ("s", 3), ("s", 4)}
    assert len(places) <= 2 * FIRST * 2 * REACH


def test_what_follows_in_the_exchange_is_shown_and_the_next_subject_is_not() -> None:
    found = [
        candidate(1, "the pool was exhausted", session="s", bm25=9.0, cosine=0.9),
        candidate(2, "so we doubled it", session="s", bm25=0.5, cosine=0.1),
        replace(candidate(3, "and the harbour?", session="s", bm25=0.5, cosine=0.1), exchange=2),
    ]
    assert [each.passages for each in composed(found)] == [("1", "2"), ("3",)]


def test_passages_that_match_near_each_other_are_one_result_and_others_are_not() -> None:
    found = [candidate(5, session="s"), candidate(5 + NEAR, session="s"), candidate(6 + 2 * NEAR, session="s"), candidate(6, session="t")]
    assert {each.passages for each in composed(found)} == {("5", "13"), ("22",), ("6",)}


def test_a_place_where_several_passages_match_comes_before_one_where_a_single_one_does() -> None:
    alone = candidate(1, session="alone", bm25=9.2)
    together = [candidate(number, session="together", bm25=9.0) for number in (2, 3, 4)]
    rest = [candidate(number, bm25=1.0, cosine=0.1) for number in range(10, 30)]
    made = composed([alone, *together, *rest])
    assert [each.candidate.session for each in made[:2]] == ["together", "alone"]
    assert [each.score for each in made] == sorted((each.score for each in made), reverse=True)


def test_a_result_is_cited_at_its_best_passage_even_when_that_is_long() -> None:
    short, long = candidate(1, "short words", session="s", bm25=8.9), candidate(2, "long " * 80, session="s", bm25=9.0)
    (made, *_) = composed([short, long, *(candidate(number, bm25=1.0) for number in range(10, 20))])
    assert made.candidate.id == "2"
    assert made.passages == ("2", "1")


def test_short_passages_go_before_a_long_one_of_the_same_score() -> None:
    short, long = [candidate(number, "short words") for number in (1, 2, 3)], candidate(4, "long " * 80)
    assert {each.candidate.id for each in composed([long, *short], max_tokens=90)} == {"1", "2", "3"}


def test_one_result_takes_half_of_the_tokens_and_more_only_when_nobody_else_wants_them() -> None:
    near = [candidate(number, "word " * 16, session="s", bm25=9.0) for number in range(9)]
    others = [candidate(number, "word " * 16) for number in range(50, 55)]
    assert max(each.tokens for each in composed([*near, *others], max_tokens=160)) == 80
    assert max(each.tokens for each in composed([*near, *others[:1]], max_tokens=160)) == 140


@pytest.mark.parametrize(
    ("said", "when", "then"),
    [
        ("the pool has ten", "2026-03-01", "2026-03-09"),
        ("the pool has ten", None, "2026-03-09"),
        ("bread needs salt", "2026-03-01", "2026-03-09"),
    ],
    ids=["newer", "time unknown", "another subject"],
)
def test_what_was_said_later_on_the_same_subject_comes_first(said: str, when: str | None, then: str) -> None:
    """The same subject is what token vectors say; here two texts have the same ones or none in common."""
    vectors = late_interaction.unit(np.random.default_rng(3).normal(size=(2, 384)).astype(np.float32))
    packed = {
        "the pool has ten": late_interaction.pack(["pool"], vectors[:1]),
        "bread needs salt": late_interaction.pack(["salt"], vectors[1:]),
    }

    def told(number: int, text: str, at: str | None, score: float) -> PassageCandidate:
        given: dict[str, Any] = {"bm25": score, "cosine": 0.5, "at": datetime.fromisoformat(f"{at}T00:00:00+00:00") if at else None}
        return PassageCandidate(str(number), f"s{number}", 1, 0, text, packed[text], **given)

    rest = [candidate(number, bm25=1.0, cosine=0.1) for number in range(10, 20)]
    made = composed([told(1, "the pool has ten", when, 9.0), told(2, said, then, 8.0), *rest])
    replaced = said == "the pool has ten" and when is not None
    assert [each.candidate.id for each in made[:2]] == (["2", "1"] if replaced else ["1", "2"])
    assert made[0].score == max(each.score for each in made)
    assert sum(made[0].parts.values()) == pytest.approx(made[0].score)


def test_passages_that_one_result_holds_are_not_results_again() -> None:
    made = composed([candidate(number, f"part {number}", session="s") for number in range(12)])
    held = [held for each in made for held in each.passages]
    assert len(held) == len(set(held))


def test_one_session_leaves_room_for_others() -> None:
    many = [candidate(number * 2 * NEAR, session="s", bm25=9.0) for number in range(30)]
    made = composed([*many, candidate(99)])
    assert "99" in {each.candidate.id for each in made}
    assert sum(each.candidate.session == "s" for each in made) >= MAX_A_SESSION


def test_nothing_found_is_an_empty_answer_without_confidence() -> None:
    answer = rank_passages(question(), [], lambda _: {})
    assert (answer.results, answer.confidence) == ([], 0.0)


def test_a_question_whose_words_nobody_said_is_believed_less() -> None:
    said = [candidate(number, "the pool was exhausted") for number in range(5)]

    def answered(text: str) -> float:
        return rank_passages(question(text), said, lambda _: {}).confidence

    assert 1 >= answered("pool exhausted") > answered("pool unicorns") > answered("dragons unicorns") >= 0


def test_relevance_lies_between_0_and_1_and_never_rises() -> None:
    answer = rank_passages(question(), [candidate(number, bm25=float(number)) for number in range(8)], lambda _: {})
    shown = [each.relevance for each in answer.results]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == pytest.approx(answer.confidence)
    assert 0 <= min(shown) <= max(shown) <= 1


def test_missing_scores_count_as_the_least_and_equal_ones_as_nothing() -> None:
    assert standardized([3.0, None, 1.0])[1] == standardized([3.0, None, 1.0])[2]
    assert standardized([2.0, 2.0]).tolist() == [0.0, 0.0]
    assert standardized([]).tolist() == []


def test_the_parts_of_a_name_weigh_less_than_what_was_written() -> None:
    assert query_weights("load_page") == {"load_page": 1.0, "load": PART, "page": PART}
    assert query_weights("load_page page")["page"] == 1.0
    assert set(query_weights("缓存失效").values()) == {1.0}


@pytest.mark.parametrize(("one", "other"), [("caching", "cached"), ("stopped", "stopping"), ("retries", "retry"), ("cache", "caches")])
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize("code", ["E_RATED", "--no-verified", "app/embedding.py", "load_paging"])
def test_codes_flags_paths_and_symbols_stay_whole(code: str) -> None:
    assert code.casefold() in terms(code)
