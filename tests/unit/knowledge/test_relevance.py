"""Relevance: one scale from 0 to 1 out of a cosine and shared terms."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from app.knowledge.relevance import EXACT, QuestionTerms, Relevance
from app.storage.vectors import lexical

ASKED = ["why", "payment", "worker", "timeout"]


def relevance(*, cosine: float, asked: list[str], codes: list[str], found: frozenset[str]) -> Relevance:
    return QuestionTerms(asked, codes).relevance(cosine, found)


def test_a_near_vector_is_relevant_without_a_shared_word() -> None:
    assert relevance(cosine=0.6, asked=ASKED, codes=[], found=frozenset()).score > 0.4


def test_an_unrelated_vector_and_no_shared_word_score_nothing() -> None:
    assert relevance(cosine=0.05, asked=ASKED, codes=[], found=frozenset()).score == 0


def test_common_words_alone_do_not_make_an_unrelated_text_relevant() -> None:
    assert relevance(cosine=0.1, asked=ASKED, codes=[], found=frozenset(ASKED)).score < 0.3


def test_an_exact_code_is_relevant_whatever_the_vector_says() -> None:
    found = relevance(cosine=0.0, asked=["e0308"], codes=["e0308"], found=frozenset({"e0308"}))
    assert found.score == EXACT
    assert found.exact == ("e0308",)


def test_half_of_the_codes_count_half() -> None:
    found = relevance(cosine=0.0, asked=["e0308", "e0499"], codes=["e0308", "e0499"], found=frozenset({"e0308"}))
    assert found.score == EXACT / 2


@given(
    cosine=st.floats(-1, 1),
    asked=st.lists(st.sampled_from("abcdef"), max_size=6),
    found=st.frozensets(st.sampled_from("abcdef")),
)
def test_the_score_stays_in_the_unit_interval(cosine: float, asked: list[str], found: frozenset[str]) -> None:
    assert 0 <= relevance(cosine=cosine, asked=asked, codes=asked[:2], found=found).score <= 1


@given(low=st.floats(-1, 1), high=st.floats(-1, 1), found=st.frozensets(st.sampled_from("abc")))
def test_a_nearer_vector_never_scores_less(low: float, high: float, found: frozenset[str]) -> None:
    low, high = sorted((low, high))
    asked = ["a", "b", "c"]
    near, far = (relevance(cosine=cosine, asked=asked, codes=[], found=found).score for cosine in (high, low))
    assert near >= far


TEXTS = st.text(st.sampled_from("abcxyzsie 09_-./:ABCÉßﬁ中文"), max_size=60)


@given(question=TEXTS, text=TEXTS, cosine=st.floats(-1, 1))
@example(question="queries", text="one query", cosine=0.5)
@example(question="query", text="two queries", cosine=0.5)
@example(question="ﬁle", text="FILES", cosine=0.9)
@example(question="boxes Straße", text="box STRASSE", cosine=0.1)
def test_no_item_is_more_relevant_than_a_look_at_its_text_allows(question: str, text: str, cosine: float) -> None:
    asked = QuestionTerms(lexical.terms(question), lexical.codes(question))
    assert asked.relevance(cosine, lexical.distinct(text)).score <= asked.upper_bound(cosine, text) + 1e-9


@given(text=TEXTS)
def test_the_distinct_terms_are_the_terms(text: str) -> None:
    assert lexical.distinct(text) == set(lexical.terms(text))
