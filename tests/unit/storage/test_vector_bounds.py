"""What a store refuses before it sends anything."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from app.errors import InvalidInput
from app.storage.vectors.bounds import MOST_HITS, check_points, check_search
from app.storage.vectors.frames import MOST_BYTES
from app.storage.vectors.store import DIMS, Point

GOOD = np.full(384, 1 / np.sqrt(384), np.float32)


@pytest.mark.parametrize("limit", [0, -1, MOST_HITS + 1, 10**9])
def test_a_limit_outside_its_bounds_is_named(limit: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_search(GOOD, "dense_384", limit)
    assert caught.value.param == "limit"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused(value: float) -> None:
    bad = GOOD.copy()
    bad[5] = value
    with pytest.raises(InvalidInput, match="not finite"):
        check_points([Point(uuid4(), {"dense_384": bad}, "", {})])


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="384 numbers"):
        check_search(GOOD[:10], "dense_384", 5)
    with pytest.raises(InvalidInput, match="1536 numbers"):
        check_points([Point(uuid4(), {"dense_384": GOOD, "dense_1536": GOOD}, "", {})])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidInput, match="dense_1536"):
        check_search(GOOD, "dense_7", 5)  # type: ignore[arg-type]


def test_the_most_hits_fit_one_frame_with_their_longest_vectors() -> None:
    of_a_hit = 4 * max(DIMS.values()) + 36 + 32
    assert MOST_HITS * of_a_hit < MOST_BYTES
