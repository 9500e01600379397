"""The temporal embedding: its groups, its unit length whatever the course, and courses that are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from app.trajectory.embedding import DIMENSIONS, GROUPS, temporal_embedding

COURSES = st.integers(1, 300).flatmap(lambda points: arrays.arrays(np.float64, (4, points), elements=st.floats(0, 1)))


def square(periods: int, points: int = 120) -> NDArray[np.float64]:
    wave = (np.sin(np.linspace(0, 2 * np.pi * periods, points)) > 0).astype(float)
    return np.array([wave, wave, 1 - wave, wave])


@given(COURSES)
def test_any_course_has_a_unit_vector_whose_groups_weigh_alike(course: NDArray[np.float64]) -> None:
    vector = temporal_embedding(course)
    assert vector.shape == (DIMENSIONS,)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
    lengths = [float(np.linalg.norm(vector[part])) for part in GROUPS.values()]
    present = [each for each in lengths if each > 0]
    assert present == pytest.approx([len(present) ** -0.5] * len(present), abs=1e-4)


@given(COURSES)
def test_the_same_course_has_the_same_vector(course: NDArray[np.float64]) -> None:
    assert (temporal_embedding(course) == temporal_embedding(course.copy())).all()


def test_the_groups_cover_all_dimensions_once() -> None:
    assert [part.stop - part.start for part in GROUPS.values()] == [32, 128, 64, 160]
    assert np.concatenate([np.r_[part] for part in GROUPS.values()]).tolist() == list(range(DIMENSIONS))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 0.7, 1.0])
def test_a_course_without_variation_has_no_spectrum(value: float) -> None:
    vector = temporal_embedding(np.full((4, 37), value))
    assert not vector[GROUPS["spectrum"]].any()


def test_a_course_is_nearer_to_itself_at_another_length_than_to_another_rhythm() -> None:
    one, longer, faster = temporal_embedding(square(3)), temporal_embedding(square(3, 400)), temporal_embedding(square(12))
    assert one @ longer > 0.95 > one @ faster


@pytest.mark.parametrize("shape", [(4, 0), (3, 5), (4,), (4, 5, 2)])
def test_a_course_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        temporal_embedding(np.zeros(shape))
