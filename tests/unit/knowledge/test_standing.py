"""Two items have one digest only if they say the same; what holds in two projects or for two people weighs a little."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import pytest

from app.knowledge.item import STANDINGS
from app.knowledge.standing import standing_of, wording_digest
from app.knowledge.weighing import HELPFUL, MAX_HELPFUL, standing_factor
from tests.contrast_pairs import contrast_pairs, held_out_pairs

RULE = "Run the database migrations before every deployment of the API"


def digest(text: str) -> bytes | None:
    return wording_digest(text, text)


@pytest.mark.parametrize(
    "same",
    [
        "Run the database migrations before every deployment of the API.",
        "run database migrations before each deployment of the API",
        "We run the database migrations before every deployment of the API",
    ],
)
def test_inflections_function_words_and_synonyms_make_no_other_digest(same: str) -> None:
    assert digest(same) == digest(RULE) is not None


@pytest.mark.parametrize(
    "other",
    [
        "Never run the database migrations before every deployment of the API",
        "Run the database migrations after every deployment of the API",
        "You may run the database migrations before every deployment of the API",
        "Run the database migrations before every deployment of the worker",
        "Run every deployment of the API before the database migrations",
    ],
)
def test_what_says_something_else_has_another_digest(other: str) -> None:
    assert digest(other) != digest(RULE)


def test_no_pair_that_the_guard_of_merges_keeps_apart_shares_a_digest() -> None:
    pairs = [pair[1:] for pair in (*contrast_pairs(), *held_out_pairs())]
    assert len(pairs) > 500
    assert [(one, other) for one, other in pairs if digest(one) is not None and digest(one) == digest(other)] == []


def test_few_words_and_long_texts_have_none() -> None:
    assert digest("Use pnpm") is None
    assert digest("long " * 4000) is None


def test_standing_needs_two_projects_or_two_people() -> None:
    assert standing_of(portable=False, people=1) == ()
    assert standing_of(portable=True, people=1) == ("portable",)
    assert standing_of(portable=False, people=2) == ("team_practice",)
    assert standing_of(portable=True, people=9) == STANDINGS


def test_standing_weighs_less_than_peoples_verdicts_and_nothing_against_one() -> None:
    factors = [standing_factor(_judged(), each) for count in (0, 1, 2) for each in combinations(STANDINGS, count)]
    assert factors[0] == 1.0
    assert 1.0 < max(factors) < 1.0 + MAX_HELPFUL
    assert max(standing_factor(_judged(), (each,)) for each in STANDINGS) <= 1.0 + HELPFUL
    assert standing_factor(_judged(wrong=1), STANDINGS) == standing_factor(_judged(stale=1), STANDINGS) == 1.0


def _judged(**people: int) -> SimpleNamespace:
    return SimpleNamespace(**({"helpful": 0, "wrong": 0, "stale": 0} | people))
