"""How alike a statement is to what is worth keeping, and to each type of it: logistic regressions over words and, where there are, vectors.

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

Numbers = NDArray[np.float64]
EXAMPLES = Path(__file__).with_name("examples.toml")
COEFFICIENTS = Path(__file__).with_name("classifier.json")


def examples_digest() -> str:
    return hashlib.sha256(EXAMPLES.read_bytes()).hexdigest()


@cache
def coefficients() -> dict[str, Numbers]:
    """Read the fitted coefficients; the last row of each is the intercept.

    `keep_words` reads the features, `keep_vectors` the vector before them; `type_words` and `type_vectors` read the cues of types behind the features.
    """
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
    """Tell the log-odds of being worth keeping, one a row."""
    name = "keep_words" if vectors is None else "keep_vectors"
    odds: Numbers = (design(features, vectors) @ coefficients()[name]).round(4)
    return odds


def type_odds(features: Numbers, vectors: Numbers | None) -> Numbers:
    """Tell the log-probability of each of KNOWLEDGE_TYPES, one row a statement; `features` with the cues of types (`types.cues_of`) behind them."""
    name = "type_words" if vectors is None else "type_vectors"
    scores = design(features, vectors) @ coefficients()[name]
    odds: Numbers = (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).round(4)
    return odds
