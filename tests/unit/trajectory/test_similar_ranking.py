"""Ranking of sessions by shared phases: what shows trouble counts more, likeness is symmetric, and the words say what both have."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.embedding import DIMENSIONS, temporal_embedding
from app.trajectory.shapes.phases import Deed, PhaseEnd, PhaseSymbol, every_symbol
from app.trajectory.similar.ranking import (
    CANDIDATES,
    MAX_SAID,
    MIN_SCORE,
    ComparedShapes,
    ShapeMatch,
    cosines,
    likeness,
    next_words,
    quantised,
    rank,
    shared_words,
)

SYMBOLS = st.text("".join(each.char for each in every_symbol()), max_size=20)
FLAT = np.ones(DIMENSIONS, np.int8)


def spelled(*phases: Deed | tuple[Deed, PhaseEnd]) -> str:
    return "".join((PhaseSymbol(each) if isinstance(each, str) else PhaseSymbol(*each)).char for each in phases)


MIGRATION = spelled("ask", "explore", "edit", ("migrate", "failed"), "roll back", "edit", "migrate", "commit")


def compared(*symbols: str) -> ComparedShapes:
    ids = b"".join(UUID(int=place).bytes for place in range(len(symbols)))
    return ComparedShapes(ids, symbols, np.tile(FLAT, (len(symbols), 1)))


def matched(one: str, other: str) -> ShapeMatch:
    return ShapeMatch(UUID(int=0), other, likeness(one, other), 0.0)


@given(SYMBOLS, SYMBOLS)
def test_likeness_is_symmetric_within_bounds_and_one_for_equals(one: str, other: str) -> None:
    score = likeness(one, other).score
    assert 0 <= score <= 1
    assert likeness(one, one).score == (1 if one else 0)
    assert likeness(other, one).score == score
    assert likeness(other, one).common == tuple((there, here) for here, there in likeness(one, other).common)


def test_shared_trouble_makes_sessions_likelier_than_shared_routine() -> None:
    routine = spelled("ask", "explore", "edit", "test", "edit", "test", "commit")
    trouble = spelled("ask", ("migrate", "failed"), "roll back", "explore", "migrate")
    assert likeness(MIGRATION, trouble).score > likeness(MIGRATION, routine).score


def test_the_words_name_what_both_have_and_what_the_other_did_next() -> None:
    other = spelled("ask", ("migrate", "failed"), "roll back", "explore", "edit", "migrate")
    match = matched(MIGRATION, other)
    assert shared_words(MIGRATION, match) == ("a prompt", "a migration fails", "a rollback", "editing", "a migration")
    assert next_words(MIGRATION, match) == ("exploring", "editing", "a migration")


def test_of_many_shared_phases_the_troubled_ones_are_named() -> None:
    long = spelled("ask", "explore", "edit", "test", "commit", "explore", "edit", ("test", "failed"), "edit", ("build", "failed"))
    said = shared_words(long, matched(long, long))
    assert len(said) == MAX_SAID
    assert said[-2:] == ("a test run fails", "a build fails")


def test_sessions_without_shared_trouble_tell_nothing_of_what_came_next() -> None:
    calm = spelled("ask", "edit", "test", "commit")
    assert next_words(calm, matched(calm, calm)) == ()


def test_the_likest_come_first_and_what_shares_nothing_is_left_out() -> None:
    near, far, none = MIGRATION[1:], spelled("explore", "edit", "test"), spelled("plan", "run", "start")
    found = rank(MIGRATION, FLAT, compared(far, none, near), limit=5)
    assert [each.symbols for each in found] == [near, far]
    assert rank(MIGRATION, FLAT, compared(far, near), limit=1)[0].symbols == near
    assert rank(MIGRATION, FLAT, compared(), limit=5) == []


def test_the_likest_by_phases_is_found_among_more_sessions_than_candidates() -> None:
    others = [spelled("explore", "edit", "test")] * (5 * CANDIDATES)
    others[123] = MIGRATION
    assert rank(MIGRATION, FLAT, compared(*others), limit=3)[0].session_id == UUID(int=123)


@given(st.integers(0, 2**32 - 1))
def test_quantised_vectors_keep_their_cosines(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = (temporal_embedding(generator.random((4, 30))) for _ in range(2))
    assert cosines(quantised(one), quantised(other)[None])[0] == pytest.approx(float(one @ other), abs=0.01)


def test_an_empty_vector_is_like_none() -> None:
    empty = quantised(np.zeros(DIMENSIONS, np.float32))
    assert cosines(empty, FLAT[None]).tolist() == [0]


def test_what_any_two_sessions_share_makes_none_alike() -> None:
    other = spelled("ask", "explore", *("run", "test", "build", "deploy", "install") * 4)
    assert 0 < likeness(MIGRATION, other).score < MIN_SCORE
    assert rank(MIGRATION, FLAT, compared(other), limit=5) == []


def test_a_phase_that_both_have_again_and_again_is_named_once() -> None:
    builds = spelled("ask", *("build", "edit") * 5)
    assert shared_words(builds, matched(builds, builds)) == ("a prompt", "a build", "editing")
