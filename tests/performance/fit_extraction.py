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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.embeddings.model import NAME
from app.knowledge.extraction.classifier import COEFFICIENTS, EXAMPLES, design, examples_digest
from app.knowledge.extraction.drafts import judged
from app.knowledge.extraction.features import features_of
from app.knowledge.item import KNOWLEDGE_TYPES
from tests.performance.recall_vectors import blocking_embedder

Numbers = NDArray[np.float64]
RIDGES = {"words": 1.0, "vectors": 8.0}
TYPE_RIDGE = 0.1
"""A type has a dozen examples, and both sides weigh the same: its ridge must be smaller."""
FOLDS = 10


def logistic(rows: Numbers, target: Numbers, ridge: float) -> Numbers:
    """Newton's method; both classes weigh the same; the intercept (last column) has no ridge."""
    penalty = ridge * np.eye(rows.shape[1])
    penalty[-1, -1] = 1e-6
    weight = np.where(target == 1, 0.5 / target.mean(), 0.5 / (1 - target.mean()))
    beta = np.zeros(rows.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(rows @ beta, -30, 30)))
        slope = rows.T @ (weight * (chance - target)) + penalty @ beta
        curve = (rows * (weight * chance * (1 - chance))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curve, slope)
        beta = beta - step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def one_against_rest(rows: Numbers, types: Numbers, ridge: float) -> Numbers:
    return np.stack([logistic(rows, (types == place).astype(float), ridge) for place in range(len(KNOWLEDGE_TYPES))], axis=1)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write the coefficients")
    chosen = arguments.parse_args()
    examples = tomllib.loads(EXAMPLES.read_text())
    texts = [(text, KNOWLEDGE_TYPES.index(name)) for name, each in examples["keep"].items() for text in each]
    texts += [(text, -1) for each in examples["junk"].values() for text in each]
    texts = [(judged(text), type_) for text, type_ in texts]
    texts += [(text.rstrip(".。"), type_) for text, type_ in texts]  # entries of a list often end without a full stop
    features = np.stack([features_of(text) for text, _ in texts])
    vectors = blocking_embedder().embed_blocking([text for text, _ in texts]).astype(np.float64)
    types = np.array([type_ for _, type_ in texts])
    keep = (types >= 0).astype(float)
    folds = np.tile(np.random.default_rng(14).integers(0, FOLDS, len(texts) // 2), 2)
    made: dict[str, list[object]] = {}
    for name, ridge in RIDGES.items():
        rows = design(features, None if name == "words" else vectors)
        right = typed = 0
        for fold in range(FOLDS):
            train, test = folds != fold, folds == fold
            right += int(((rows[test] @ logistic(rows[train], keep[train], ridge) > 0) == keep[test]).sum())
            kept = test & (types >= 0)
            guessed = (rows[kept] @ one_against_rest(rows[train & (types >= 0)], types[train & (types >= 0)], TYPE_RIDGE)).argmax(1)
            typed += int((guessed == types[kept]).sum())
        print(f"{name}: {right / len(texts):.1%} of {len(texts)} told right, type right for {typed / keep.sum():.1%} of {int(keep.sum())}")
        made[f"keep_{name}"] = logistic(rows, keep, ridge).round(4).tolist()
        if name == "words":
            made["type_words"] = one_against_rest(rows[types >= 0], types[types >= 0], TYPE_RIDGE).round(3).tolist()
    if chosen.write:
        COEFFICIENTS.write_text(json.dumps({"model": NAME, "examples": examples_digest(), "coefficients": made}) + "\n")
