"""Classifies a prompt by three experts whose log-probabilities are added: its vector, its cues and form, its words.

The coefficients are fitted by tests/performance/fit_intent.py on examples.toml. No session's text is used. Fused late, since together in
one regression the cues, which the examples show more plainly than people do, drown the others (docs/decisions/0075-intent.md).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.trajectory.intent.cues import CUES, cue_names, cues_in
from app.trajectory.intent.features import features_of, read_part, words_of
from app.trajectory.intent.kinds import INTENTS, Intent, IntentReading, NearExample
from app.trajectory.intent.prose import PromptProse

Numbers: TypeAlias = NDArray[np.float64]
EXAMPLES = Path(__file__).with_name("examples.toml")
COEFFICIENTS = Path(__file__).with_name("classifier.npz")
VECTOR_SCALE = 6.0
"""A unit vector's components are about 0.05: scaled to the features' magnitude."""
FOREIGN_SHARE = 0.3
"""Weight of a vector where words have no spaces: the model was trained on English, and knows such a text by single characters."""
WORD_SCALE = 6.0
MAX_NEAREST = 3
MAX_CUES = 3
MAX_EXAMPLE_CHARS = 160
Vector: TypeAlias = Sequence[float] | NDArray[np.floating]


def training_digest() -> str:
    """Hash everything the coefficients were fitted on: the examples and the table of cues."""
    return hashlib.sha256(EXAMPLES.read_bytes() + CUES.read_bytes()).hexdigest()


@cache
def examples() -> tuple[tuple[str, Intent, int], ...]:
    """Read the examples: text, intent, and the number of its line, which holds wordings of one wish."""
    read = tomllib.loads(EXAMPLES.read_text("utf-8"))
    lines = [(intent, line) for intent in INTENTS for line in read[intent]]
    return tuple((text, intent, number) for number, (intent, line) in enumerate(lines) for text in line)


@dataclass(frozen=True, slots=True)
class IntentModel:
    """The fitted coefficients. Each expert's matrix has a column an intent, the intercept last. `vectors`: of the examples, of unit length.

    `temperature`: divides the sum of the experts' log-probabilities, so that a confidence is a frequency.
    """

    model: str
    digest: str
    by_vector: Numbers
    by_feature: Numbers
    by_word: Numbers
    words: dict[str, int]
    temperature: float
    vectors: NDArray[np.float32]


@cache
def shipped() -> IntentModel:
    """Read the coefficients shipped with the project."""
    with np.load(COEFFICIENTS, allow_pickle=False) as read:
        words = bytes(read["words"]).decode("utf-8").split("\n")
        vectors = read["vectors"].astype(np.float32)
        return IntentModel(
            model=str(read["model"]),
            digest=str(read["digest"]),
            by_vector=read["by_vector"].astype(np.float64),
            by_feature=read["by_feature"].astype(np.float64),
            by_word=read["by_word"].astype(np.float64),
            words={word: place for place, word in enumerate(words)},
            temperature=float(read["temperature"]),
            vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        )


def scores_of(prose: PromptProse, vector: Vector | None, model: IntentModel | None = None) -> Numbers:
    """Return the log-probability of each of INTENTS, calibrated. Without a vector the two other experts decide."""
    using = model or shipped()
    features = features_of(prose)
    experts = [features @ using.by_feature[:-1] + using.by_feature[-1], _word_scores(prose, using)]
    if vector is not None:
        experts.append(scaled_vector(vector, unspaced=features[-1] > 0) @ using.by_vector[:-1] + using.by_vector[-1])
    total: Numbers = np.sum([log_softmax(each) for each in experts], axis=0) / using.temperature
    return log_softmax(total)


def reading_of(prose: PromptProse, vector: Vector | None, scores: Numbers) -> IntentReading:
    """Tell the two likeliest intents, with the examples and the cues that explain the best one."""
    order = np.argsort(-scores, kind="stable")[:2]
    best, second = ((INTENTS[int(place)], round(float(np.exp(scores[place])), 3)) for place in order)
    return IntentReading((best, second), () if vector is None else _nearest(vector), _cues(prose, best[0]))


def scaled_vector(vector: Vector, *, unspaced: bool) -> Numbers:
    """Return a vector as the first expert takes it."""
    given: Numbers = np.asarray(vector, np.float64) * VECTOR_SCALE
    return given * FOREIGN_SHARE if unspaced else given


def word_places(prose: PromptProse, words: dict[str, int]) -> list[int]:
    """Return the places of a prompt's words in the table of words, each once."""
    return [words[word] for word in dict.fromkeys(words_of(prose)) if word in words]


def log_softmax(scores: Numbers) -> Numbers:
    """Turn scores into log-probabilities, along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    told: Numbers = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return told


def _word_scores(prose: PromptProse, model: IntentModel) -> Numbers:
    places = word_places(prose, model.words)
    intercept: Numbers = model.by_word[-1]
    if not places:
        return intercept
    told: Numbers = model.by_word[places].sum(axis=0) * (WORD_SCALE / np.sqrt(len(places))) + intercept
    return told


def _nearest(vector: Vector) -> tuple[NearExample, ...]:
    likeness = shipped().vectors @ np.asarray(vector, np.float32)
    places = np.argpartition(-likeness, MAX_NEAREST)[:MAX_NEAREST]
    found = sorted(((float(likeness[place]), int(place)) for place in places), reverse=True)
    return tuple(NearExample(examples()[place][0][:MAX_EXAMPLE_CHARS], examples()[place][1], round(like, 3)) for like, place in found)


def _cues(prose: PromptProse, intent: Intent) -> tuple[str, ...]:
    """Return the words of the prompt whose cues weigh most for the intent."""
    place = INTENTS.index(intent)
    weights = shipped().by_feature[:-1, place] - shipped().by_feature[:-1].mean(axis=1)
    says = cues_in(read_part(prose.said))
    weighed = sorted((-float(weights[3 * number + 1]), says[name]) for number, name in enumerate(cue_names()) if name in says)
    return tuple(dict.fromkeys(word for weight, word in weighed if weight < 0))[:MAX_CUES]
