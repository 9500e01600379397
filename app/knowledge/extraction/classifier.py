"""Logistic regressions that score a statement: is it worth keeping, and of which type is it. Inputs: word features and, if any, its vector.

The coefficients in classifier.json are fitted by tests/performance/fit_extraction.py on examples.toml. No session's text is used.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
EXAMPLES = Path(__file__).with_name("examples.toml")
COEFFICIENTS = Path(__file__).with_name("classifier.json")


def examples_digest() -> str:
    return hashlib.sha256(EXAMPLES.read_bytes()).hexdigest()


@cache
def coefficients() -> dict[str, Numbers]:
    """Read the fitted coefficients; the last row of each matrix is the intercept.

    `keep_words` applies to the features, `keep_vectors` to the vector followed by the features; `type_words` and `type_vectors` likewise, with
    the type cues appended to the features.
    """
    read = json.loads(COEFFICIENTS.read_text())
    return {name: np.array(values) for name, values in read["coefficients"].items()}


@cache
def fitted_for() -> str:
    """Return the name of the embedding model whose vectors the coefficients were fitted on."""
    return cast("str", json.loads(COEFFICIENTS.read_text())["model"])


def design(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Build the design matrix: shape (n, [384 +] features + 1), the last column 1 for the intercept."""
    parts = [features, np.ones((len(features), 1))]
    return np.hstack(parts if vectors is None else [np.asarray(vectors, np.float64) * VECTOR_SCALE, *parts])


VECTOR_SCALE = 4.0
"""A unit vector's components are about 0.05: scaled to the features' magnitude, so that one ridge penalty suits both."""


def keep_odds(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Return the log-odds that each row's statement is worth keeping."""
    name = "keep_words" if vectors is None else "keep_vectors"
    odds: Numbers = (design(features, vectors) @ coefficients()[name]).round(4)
    return odds


def type_odds(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Return the log-probability of each of KNOWLEDGE_TYPES, one row a statement; `features` must have `types.cues_of` appended."""
    name = "type_words" if vectors is None else "type_vectors"
    scores = design(features, vectors) @ coefficients()[name]
    odds: Numbers = (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).round(4)
    return odds
