"""What a store refuses before it sends anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import numpy as np
import pytest

from app.errors import InvalidInput
from app.storage.vectors.bounds import MAX_HITS, MAX_TERM_ID, check_points, check_search
from app.storage.vectors.frames import MAX_BYTES
from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.store import DIMS, VectorPoint, Within

NOTHING = SparseVector([], [])
GOOD = np.full(384, 1 / np.sqrt(384), np.float32)


@pytest.mark.parametrize("limit", [0, -1, MAX_HITS + 1, 10**9])
def test_a_limit_outside_its_bounds_is_named(limit: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_search(limit, None, vector=GOOD)
    assert caught.value.param == "limit"
    with pytest.raises(InvalidInput, match=str(MAX_HITS)):
        check_search(limit, None, terms=SparseVector([1], [1.0]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused(value: float) -> None:
    bad = GOOD.copy()
    bad[5] = value
    with pytest.raises(InvalidInput, match="not finite"):
        check_points([VectorPoint(uuid4(), {"dense_384": bad}, NOTHING, {})])


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="384 numbers"):
        check_search(5, None, vector=GOOD[:10])
    with pytest.raises(InvalidInput, match="384 numbers"):
        check_points([VectorPoint(uuid4(), {"dense_384": np.append(GOOD, GOOD)}, NOTHING, {})])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no vector 'dense_7'; use one of dense_384"):
        check_points([VectorPoint(uuid4(), {"dense_384": GOOD, "dense_7": GOOD}, NOTHING, {})])


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (SparseVector([1, 2], [1.0]), "each id one weight"),
        (SparseVector([7, 7], [1.0, 1.0]), "twice"),
        (SparseVector([-1], [1.0]), "without a sign"),
        (SparseVector([1, 2**32], [1.0, 1.0]), "without a sign"),
        (SparseVector([1], [float("nan")]), "not finite"),
        (SparseVector([1, 2], [1.0, float("inf")]), "not finite"),
    ],
)
def test_malformed_terms_are_refused_in_points_and_questions(terms: SparseVector, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        check_search(5, None, terms=terms)
    assert caught.value.param == "terms"
    with pytest.raises(InvalidInput, match=told):
        check_points([VectorPoint(uuid4(), {"dense_384": GOOD}, NOTHING, {}), VectorPoint(uuid4(), {"dense_384": GOOD}, terms, {})])


def test_terms_may_take_the_whole_range_of_ids_in_any_order() -> None:
    check_search(5, None, terms=SparseVector([MAX_TERM_ID, 0], [1.0, 0.5]))


@pytest.mark.parametrize(
    ("within", "told", "param"),
    [
        (Within("at", None, None), "neither beginning nor end", "within"),
        (Within("at", datetime(2026, 1, 1), None), "no time zone", "since"),  # noqa: DTZ001 - what is refused
        (Within("at", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2)), "no time zone", "until"),  # noqa: DTZ001
        (Within("at", datetime.min.replace(tzinfo=timezone(timedelta(hours=2))), None), "years 1 to 9999", "since"),
    ],
)
def test_a_period_that_no_store_understands_is_refused(within: Within, told: str, param: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        check_search(5, within, vector=GOOD)
    assert caught.value.param == param


def test_a_period_may_be_open_at_one_end_and_as_wide_as_time() -> None:
    check_search(5, Within("at", datetime.min.replace(tzinfo=UTC), None), vector=GOOD)
    check_search(5, Within("at", None, datetime.max.replace(tzinfo=UTC)), vector=GOOD)


def test_the_most_hits_fit_one_frame_with_their_longest_vectors() -> None:
    of_a_hit = 4 * max(DIMS.values()) + 36 + 32
    assert MAX_HITS * of_a_hit < MAX_BYTES
