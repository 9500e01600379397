"""Ranks candidates of the dense and the lexical leg. Pure arithmetic over raw scores; every part of a score can be explained.

Adds the z-scores of both legs, of late interaction and of the preceding prompt's terms, then small boosts: exact codes, open files, the
preferred project, the question's period. Weights: tests/performance/measure_recall.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.knowledge.passages.passage import SourceKind
from app.knowledge.passages.question import Question
from app.knowledge.passages.terms import terms

RERANKED = 40
"""Candidates whose texts and token vectors are read; 60 rank no better."""
MAX_CHARS = 4_000
"""Characters of a question that are read for its terms."""
Floats = NDArray[np.float64]
Id = TypeVar("Id")


@dataclass(frozen=True, slots=True)
class PassageCandidate:
    """A passage that a leg found. `bm25`, `cosine`: raw scores, None from the leg that missed it. `packed`: see `late_interaction`.

    `prompt`: the beginning of the prompt it replies to. `tokens`: of `text`, as stored (`tokens.count_text`); 0 means that they are counted
    on demand (0.1 ms).
    """

    id: str
    session: str
    exchange: int
    ordinal: int
    text: str
    packed: bytes
    bm25: float | None = None
    cosine: float | None = None
    kind: SourceKind = "said"
    role: str = "assistant"
    at: datetime | None = None
    files: tuple[str, ...] = ()
    project: str = ""
    sidechain: bool = False
    tokens: int = 0
    prompt: str = ""
    locator: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the parts of a score, in standard deviations of the candidates' scores."""

    bm25: float = 1.0
    dense: float = 1.25
    late: float = 1.0
    prompt: float = 0.7
    code: float = 0.4
    file: float = 0.4
    project: float = 0.5
    window: float = 1.0


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its fused score and that score's parts; `late`: its raw late interaction, 0 to 1."""

    candidate: PassageCandidate
    score: float
    late: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates, best first, with the mean and spread of their late interaction, so that further passages can be scored on that scale.

    `idf`: of the question's terms among the candidates. `known`: the terms found in any of them. `weights`: of the question's tokens.
    """

    scored: list[Scored]
    idf: dict[str, float]
    known: frozenset[str]
    weights: Floats
    mean: float
    spread: float

    def deviation(self, late: float) -> float:
        """Return a raw late interaction as a z-score among the candidates'."""
        return (late - self.mean) / self.spread if self.spread > 1e-9 else 0.0


def fuse(bm25: Mapping[Id, float], cosine: Mapping[Id, float], *, limit: int = RERANKED, weights: Weights = WEIGHTS) -> list[Id]:
    """Choose the ids worth reading by the raw scores of both legs, best first. Needs no text."""
    ids = list(dict.fromkeys([*bm25, *cosine]))
    scores = weights.bm25 * standardized([bm25.get(each) for each in ids]) + weights.dense * standardized(
        [cosine.get(each) for each in ids]
    )
    return [ids[place] for place in np.argsort(-scores, kind="stable")[:limit]]


def rank_candidates(question: Question, candidates: Sequence[PassageCandidate], weights: Weights = WEIGHTS) -> Ranking:
    """Score and order the candidates, best first."""
    texts = [each.text.casefold() for each in candidates]
    asked = [term for term in dict.fromkeys(terms(question.text[:MAX_CHARS])) if term not in question.timely]
    idf = {term: idf_among(term, texts) for term in asked}
    of_tokens = token_weights(question, texts)
    late = late_scores(question, [each.packed for each in candidates], of_tokens)
    prompts = [each.prompt.casefold() for each in candidates]
    parts = {
        "bm25": weights.bm25 * standardized([each.bm25 for each in candidates]),
        "dense": weights.dense * standardized([each.cosine for each in candidates]),
        "late": weights.late * standardized(late.tolist()),
        "prompt": weights.prompt * standardized([sum(idf[term] for term in idf if term in prompt) for prompt in prompts]),
    }
    rows: list[dict[str, float]] = [
        {name: float(values[place]) for name, values in parts.items()} | _steering(question, each, text, weights)
        for place, (each, text) in enumerate(zip(candidates, texts, strict=True))
    ]
    scores = [sum(row.values()) for row in rows]
    order = sorted(range(len(rows)), key=lambda place: -scores[place])
    return Ranking(
        [Scored(candidates[place], scores[place], float(late[place]), rows[place]) for place in order],
        idf,
        frozenset(term for term in idf if any(term in text for text in texts)),
        of_tokens,
        float(late.mean()) if len(late) else 0.0,
        float(late.std()) if len(late) else 0.0,
    )


def standardized(values: Sequence[float | None]) -> Floats:
    """Return z-scores; a missing value counts as the lowest one found. All zeros if the values don't differ."""
    known = [value for value in values if value is not None]
    least = min(known, default=0.0)
    array = np.array([least if value is None else value for value in values], dtype=np.float64)
    spread = float(array.std()) if len(array) else 0.0
    return (array - array.mean()) / spread if spread > 1e-9 else np.zeros_like(array)


def late_scores(question: Question, packed: Sequence[bytes], weights: Floats) -> Floats:
    """Return each packed passage's late interaction, 0 to 1: the weighted mean of the question tokens' best cosines."""
    best = np.maximum(late_interaction.best_cosines(question.vectors, packed), 0.0)
    return np.asarray(best @ weights / max(float(weights.sum()), 1e-9), dtype=np.float64)


def token_weights(question: Question, texts: Sequence[str]) -> Floats:
    """Weigh each question token by its word's idf over the candidates' texts (casefolded); a tenth of it for words no answer needs to hold.

    Those are stop words, punctuation and the words of a period (`in March` is no subject). A word's weight is divided among its tokens:
    `ecommerce`, of four, would otherwise decide alone.
    """
    idf = {word: idf_among(word, texts) for word in dict.fromkeys(question.words)}
    pieces = [len(run) for _, group in groupby(question.words) for run in [list(group)] for _ in run]
    content = [1.0 if late_interaction.is_content(word) and word not in question.timely else 0.1 for word in question.words]
    weights = [idf[word] * kind / count for word, kind, count in zip(question.words, content, pieces, strict=True)]
    return np.array(weights, dtype=np.float64)


def idf_among(word: str, texts: Sequence[str]) -> float:
    """Return BM25's inverse document frequency of a word over a few texts; a match inside a longer word counts."""
    return inverse_frequency([word in text for text in texts].count(True), len(texts))


def inverse_frequency(found: int, documents: int) -> float:
    """Return BM25's inverse document frequency of a term that `found` of the documents contain."""
    return math.log(1 + (documents - found + 0.5) / (found + 0.5))


def _steering(question: Question, candidate: PassageCandidate, text: str, weights: Weights) -> dict[str, float]:
    """Return the boosts that apply. `text`: the candidate's, casefolded."""
    parts: dict[str, float] = {}
    if question.codes and (matched := sum(code in text for code in question.codes)):
        parts["code"] = weights.code * matched / len(question.codes)
    if question.files and any(_same_file(open_file, file) for open_file in question.files for file in (*candidate.files, candidate.text)):
        parts["file"] = weights.file
    if question.prefer_project and candidate.project == question.prefer_project:
        parts["project"] = weights.project
    if question.window and candidate.at and question.window[0] <= candidate.at < question.window[1]:
        parts["window"] = weights.window
    return parts


def _same_file(open_file: str, where: str) -> bool:
    """Tell whether a path or a text contains the file's last two path components."""
    tail = "/".join(open_file.replace("\\", "/").split("/")[-2:])
    return bool(tail) and tail in where
