"""The shipped classifier: fitted on the examples that are there, calibrated, with reasons; it works without a vector."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.intent.classifier import examples, reading_of, scores_of, shipped, training_digest
from app.trajectory.intent.kinds import INTENTS, Intent
from app.trajectory.intent.prose import prose_of

MIN_A_CLASS = 60


def test_the_coefficients_were_fitted_on_the_examples_and_cues_that_are_here() -> None:
    assert shipped().digest == training_digest(), "Fit anew: python tests/performance/fit_intent.py --write"
    assert len(shipped().vectors) == len(examples())


def test_every_intent_has_examples_in_several_languages_and_none_twice() -> None:
    texts = [text for text, _, _ in examples()]
    assert len(set(texts)) == len(texts)
    for intent in INTENTS:
        own = [text for text, of, _ in examples() if of == intent]
        assert len(own) >= MIN_A_CLASS
        assert sum(any("\u4e00" <= each <= "\u9fff" for each in text) for text in own) >= 10


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Add a login form to the admin area", "feature-dev"),
        ("the upload crashes with a stack overflow, please repair it", "debugging"),
        ("refactor the loader into smaller functions", "refactoring"),
        ("write unit tests for the invoice rounding", "testing"),
        ("which file holds the database settings of this project?", "exploration"),
        ("what is a semaphore, in general?", "learning"),
        ("the page is too slow, speed it up", "optimization"),
        ("update the README with the new command", "documentation"),
        ("为发票模块编写单元测试", "testing"),
        ("schreibe Tests für die Rundung", "testing"),
        ("refactoriza esta clase", "refactoring"),
    ],
)
@pytest.mark.parametrize("with_vector", [True, False])
def test_plain_prompts_are_told_with_and_without_a_vector(text: str, intent: Intent, *, with_vector: bool) -> None:
    # The vector of an example of the intent stands for the text's own: no model runs in a unit test.
    near = next(place for place, (_, of, _) in enumerate(examples()) if of == intent)
    vector = shipped().vectors[near] if with_vector else None
    prose = prose_of(text)
    reading = reading_of(prose, vector, scores_of(prose, vector))
    assert reading.intent == intent
    assert bool(reading.nearest) is with_vector
    assert reading.because


@given(st.text(max_size=600), st.booleans())
def test_scores_are_probabilities_of_all_intents(text: str, vector: bool) -> None:
    scores = scores_of(prose_of(text), shipped().vectors[0] if vector else None)
    assert scores.shape == (len(INTENTS),)
    assert math.isclose(float(np.exp(scores).sum()), 1.0, abs_tol=1e-9)


def test_the_two_best_come_in_order_and_the_nearest_examples_too() -> None:
    vector = shipped().vectors[5]
    prose = prose_of(examples()[5][0])
    reading = reading_of(prose, vector, scores_of(prose, vector))
    (_, first), (_, second) = reading.likeliest
    assert first >= second > 0
    assert [each.likeness for each in reading.nearest] == sorted((each.likeness for each in reading.nearest), reverse=True)
    assert reading.nearest[0].text == examples()[5][0][:160]
