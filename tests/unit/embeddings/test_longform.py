"""The arithmetic of 1536 dims: what a short text is beside a long one, and how near a question is to either."""

from __future__ import annotations

import numpy as np
import pytest

from app.embeddings.longform import DIMS, agreement, closeness, parts_of

X, Y, Z = np.eye(384, dtype=np.float32)[:3]


def long_of(*parts: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.concatenate(parts) / 2
    assert made.shape == (DIMS,)
    assert np.linalg.norm(made) == pytest.approx(1)
    return made


def test_the_agreement_of_two_long_texts_is_the_cosine_of_their_1536_dims() -> None:
    one, other = long_of(X, X, Y, Z), long_of(X, X, Y, Y)
    assert agreement(parts_of(X, one), parts_of(X, other)) == pytest.approx(float(one @ other)) == pytest.approx(0.75)


def test_a_short_text_is_compared_with_a_long_one_as_four_equal_windows() -> None:
    assert agreement(parts_of(X, None), parts_of(X, long_of(X, X, X, Y))) == pytest.approx(0.75)
    assert agreement(parts_of(X, None), parts_of(X, None)) == pytest.approx(1)


def test_the_closeness_of_a_short_text_to_a_question_is_their_cosine() -> None:
    assert closeness(X, X, None) == pytest.approx(1)
    assert closeness(Y, X, None) == pytest.approx(0)


def test_a_long_text_is_close_to_a_question_about_its_end_and_closer_about_its_beginning() -> None:
    long = long_of(X, X, Y, Z)
    assert closeness(Z, X, long) == pytest.approx(0.5)
    assert closeness(X, X, long) == pytest.approx(1)
