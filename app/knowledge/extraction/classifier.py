"""How alike a statement is to what is worth keeping, and of which type: two logistic regressions, over words and, where there are, vectors.

Their coefficients are fitted by tests/performance/fit_extraction.py on examples.toml and stand in classifier.json. No sessions are involved.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from app.knowledge.item import KNOWLEDGE_TYPES, KnowledgeType

Numbers = NDArray[np.float64]
EXAMPLES = Path(__file__).with_name("examples.toml")
COEFFICIENTS = Path(__file__).with_name("classifier.json")


def examples_digest() -> str:
    return hashlib.sha256(EXAMPLES.read_bytes()).hexdigest()


@cache
def coefficients() -> dict[str, Numbers]:
    """`keep_words` and `type_words` read the features, `keep_vectors` vector and features; the last row of each is the intercept."""
    read = json.loads(COEFFICIENTS.read_text())
    return {name: np.array(values) for name, values in read["coefficients"].items()}


@cache
def fitted_for() -> str:
    """The embedding model whose vectors the coefficients are for."""
    return cast("str", json.loads(COEFFICIENTS.read_text())["model"])


def design(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Rows of what the regressions read: (n, [384 +] features + 1)."""
    parts = [features, np.ones((len(features), 1))]
    return np.hstack(parts if vectors is None else [np.asarray(vectors, np.float64) * VECTOR_SCALE, *parts])


VECTOR_SCALE = 4.0
"""A unit vector's dimensions are about 0.05: brought nearer to the features, so that one ridge fits both."""


def worth(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Log-odds of being worth keeping, one a row."""
    name = "keep_words" if vectors is None else "keep_vectors"
    return (design(features, vectors) @ coefficients()[name]).round(4)


def type_scores(features: Numbers) -> Numbers:
    """Log-odds of each of KNOWLEDGE_TYPES, one row a statement. By words alone: with vectors it guesses worse (34 % right in ten folds, against 52 %)."""
    return (design(features, None) @ coefficients()["type_words"]).round(4)


def best_type(scores: Numbers) -> KnowledgeType:
    return KNOWLEDGE_TYPES[int(scores.argmax())]
