"""Fits app/knowledge/extraction/classifier.json on examples.toml beside it, and prints how well it tells them apart (ten folds).

python tests/performance/fit_extraction.py [--write]

Only examples written for the project are read; labels of real sessions measure (measure_extraction.py), they never train.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.embeddings.model import NAME
from app.knowledge.extraction.classifier import COEFFICIENTS, EXAMPLES, Numbers, design, examples_digest
from app.knowledge.extraction.drafts import classifier_text
from app.knowledge.extraction.features import features_of
from app.knowledge.extraction.types import cues_of
from app.knowledge.item import KNOWLEDGE_TYPES
from tests.performance.recall_vectors import blocking_embedder

RIDGES = {"words": 2.0, "vectors": 16.0}
FOLDS = 10


def fit(rows: Numbers, classes: NDArray[Any], ridge: float) -> Numbers:
    """Coefficients of a logistic regression: a column of weights a class (two classes: one), the intercept last. All classes weigh the same."""
    found = LogisticRegression(C=1 / ridge, class_weight="balanced", max_iter=2_000).fit(rows[:, :-1], classes)
    made: Numbers = np.hstack([found.coef_, found.intercept_[:, None]]).T.squeeze()
    return made


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write the coefficients")
    chosen = arguments.parse_args()
    examples = tomllib.loads(EXAMPLES.read_text())
    texts = [(text, KNOWLEDGE_TYPES.index(name)) for name, each in examples["keep"].items() for text in each]
    texts += [(text, -1) for each in examples["junk"].values() for text in each]
    texts += [(text.rstrip(".。"), type_) for text, type_ in texts]  # entries of a list often end without a full stop
    said = [classifier_text(text) for text, _ in texts]
    features = np.stack([features_of(text) for text in said])
    with_cues = np.hstack([features, np.stack([cues_of(text) for text in said])])
    vectors = blocking_embedder().embed_blocking(said).astype(np.float64)
    types = np.array([type_ for _, type_ in texts])
    keep = types >= 0
    folds = np.tile(np.random.default_rng(14).integers(0, FOLDS, len(texts) // 2), 2)
    made: dict[str, list[object]] = {}
    for name, ridge in RIDGES.items():
        given = None if name == "words" else vectors
        rows, typing = design(features, given), design(with_cues, given)
        lost = passed = typed = 0
        for fold in range(FOLDS):
            train, test = folds != fold, folds == fold
            told = rows[test] @ fit(rows[train], keep[train], ridge) > 0
            lost += int((~told & keep[test]).sum())
            passed += int((told & ~keep[test]).sum())
            guessed = (typing[test & keep] @ fit(typing[train & keep], types[train & keep], ridge)).argmax(1)
            typed += int((guessed == types[test & keep]).sum())
        print(
            f"{name}: {lost / keep.sum():.1%} of {keep.sum()} worth keeping are lost, {passed / (~keep).sum():.1%} of {(~keep).sum()} others pass;"
        )
        print(f"  the type of {typed / keep.sum():.1%} is right, of {len(KNOWLEDGE_TYPES)}")
        made[f"keep_{name}"] = fit(rows, keep, ridge).round(3).tolist()
        made[f"type_{name}"] = fit(typing[keep], types[keep], ridge).round(3).tolist()
    if chosen.write:
        COEFFICIENTS.write_text(json.dumps({"model": NAME, "examples": examples_digest(), "coefficients": made}) + "\n")
