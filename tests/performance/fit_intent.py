"""Fits app/trajectory/intent/classifier.npz on examples.toml beside it, and prints how well it tells them apart.

python tests/performance/fit_intent.py [--write]

Only examples written for the project are read; labels of real sessions measure (measure_intent.py), they never train. Eight folds, all
wordings of one wish in the same one; the temperature is fitted on what each fold says of the prompts it hasn't seen.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.embeddings.model import NAME
from app.trajectory.intent.classifier import (
    COEFFICIENTS,
    WORD_SCALE,
    IntentModel,
    Numbers,
    examples,
    log_softmax,
    scaled_vector,
    scores_of,
    training_digest,
    word_places,
)
from app.trajectory.intent.features import features_of, words_of
from app.trajectory.intent.kinds import INTENTS
from app.trajectory.intent.prose import PromptProse, prose_of
from tests.performance.recall_vectors import blocking_embedder

RIDGES = {"vector": 30.0, "feature": 100.0, "word": 4.0}
MIN_WISHES_A_PAIR = 3
"""Wishes in which a pair of neighbouring words occurs, at least, to be counted."""
FOLDS = 8
HELD_OUT = Path(__file__).with_name("intent_held_out.toml")


def fitted(rows: Numbers, classes: NDArray[Any], ridge: float) -> Numbers:
    """Coefficients of a multinomial logistic regression: a column an intent, the intercept last."""
    found = LogisticRegression(C=1 / ridge, max_iter=1_500).fit(rows, classes)
    made: Numbers = np.hstack([found.coef_, found.intercept_[:, None]]).T
    return made


def vocabulary(prompts: Sequence[PromptProse], wishes: Sequence[int]) -> dict[str, int]:
    seen: dict[str, set[int]] = {}
    for prose, wish in zip(prompts, wishes, strict=True):
        for word in words_of(prose):
            seen.setdefault(word, set()).add(wish)
    kept = sorted(word for word, where in seen.items() if " " not in word or len(where) >= MIN_WISHES_A_PAIR)
    return {word: place for place, word in enumerate(kept)}


def fit(prompts: Sequence[PromptProse], vectors: Numbers, classes: NDArray[Any], wishes: Sequence[int]) -> IntentModel:
    words = vocabulary(prompts, wishes)
    features = np.stack([features_of(prose) for prose in prompts])
    bags = np.zeros((len(prompts), len(words)))
    for row, prose in zip(bags, prompts, strict=True):
        if places := word_places(prose, words):
            row[places] = WORD_SCALE / np.sqrt(len(places))
    scaled = np.stack([scaled_vector(each, unspaced=own[-1] > 0) for each, own in zip(vectors, features, strict=True)])
    return IntentModel(
        model=NAME,
        digest=training_digest(),
        by_vector=fitted(scaled, classes, RIDGES["vector"]),
        by_feature=fitted(features, classes, RIDGES["feature"]),
        by_word=fitted(bags, classes, RIDGES["word"]),
        words=words,
        temperature=1.0,
        vectors=vectors.astype(np.float32),
    )


def best_temperature(scores: Numbers, classes: NDArray[Any]) -> float:
    """The temperature under which the scores' right classes are likeliest."""
    tried = np.arange(0.3, 4.0, 0.02)
    return float(tried[np.argmax([log_softmax(scores / each)[np.arange(len(classes)), classes].sum() for each in tried])])


def calibration_error(scores: Numbers, right: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error: the mean distance between confidence and frequency, by bins of equal width."""
    confidence = np.exp(scores.max(axis=1))
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    found = [(places == each) for each in range(bins) if (places == each).any()]
    return float(sum(each.mean() * abs(confidence[each].mean() - right[each].mean()) for each in found))


def held_out() -> tuple[list[str], NDArray[Any]]:
    read = tomllib.loads(HELD_OUT.read_text("utf-8"))
    return [text for each in read.values() for text in each], np.array([INTENTS.index(name) for name, each in read.items() for _ in each])


def write(model: IntentModel) -> None:
    np.savez_compressed(
        COEFFICIENTS,
        model=np.array(model.model),
        digest=np.array(model.digest),
        by_vector=model.by_vector.astype(np.float16),
        by_feature=model.by_feature.astype(np.float16),
        by_word=model.by_word.astype(np.float16),
        words=np.frombuffer("\n".join(model.words).encode(), np.uint8),
        temperature=np.array(model.temperature),
        vectors=np.rint(model.vectors * 400).clip(-127, 127).astype(np.int8),
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write the coefficients")
    chosen = arguments.parse_args()
    embedder = blocking_embedder()
    prompts = [prose_of(text) for text, _, _ in examples()]
    vectors = embedder.embed_blocking([prose.embedded for prose in prompts]).astype(np.float64)
    classes = np.array([INTENTS.index(intent) for _, intent, _ in examples()])
    wishes = np.array([wish for _, _, wish in examples()])
    folds = np.random.default_rng(20).integers(0, FOLDS, int(wishes.max()) + 1)[wishes]
    unseen = np.zeros((len(prompts), len(INTENTS)))
    for fold in range(FOLDS):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        model = fit([prompts[place] for place in train], vectors[train], classes[train], [int(wishes[place]) for place in train])
        unseen[test] = [scores_of(prompts[place], vectors[place], model) for place in test]
    temperature = best_temperature(unseen, classes)
    cooled = log_softmax(unseen / temperature)
    right = cooled.argmax(axis=1) == classes
    print(f"{len(prompts)} examples of {int(wishes.max()) + 1} wishes, {FOLDS} folds: {right.mean():.1%} right,")
    print(f"  temperature {temperature:.2f}, expected calibration error {calibration_error(cooled, right):.3f}")
    whole = replace(fit(prompts, vectors, classes, [int(each) for each in wishes]), temperature=temperature)
    texts, wanted = held_out()
    parts = [prose_of(text) for text in texts]
    others = embedder.embed_blocking([prose.embedded for prose in parts]).astype(np.float64)
    told = np.stack([scores_of(prose, vector, whole) for prose, vector in zip(parts, others, strict=True)])
    hit = told.argmax(axis=1) == wanted
    print(f"held out: {hit.mean():.1%} of {len(texts)} right, expected calibration error {calibration_error(told, hit):.3f}")
    if chosen.write:
        write(whole)
