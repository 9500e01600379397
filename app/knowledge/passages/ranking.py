"""Candidates of the dense and the lexical leg → one order. Pure arithmetic over raw scores; every part of a score can be shown.

z-scores of both legs are added, the first RERANKED are scored again by late interaction, then what steers softly: exact codes, files,
the preferred project, the dates of the question, newer before older. Weights: tests/performance/measure_recall.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.knowledge.passages.passage import SourceKind
from app.knowledge.passages.question import Question

RERANKED = 40


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that a leg found. `bm25` and `cosine` are raw scores, None where that leg didn't find it. `packed`: by `late_interaction`.

    `tokens`: of `text`, as `tokens.count_text` says when it is stored; 0 means that they are counted now (0.1 ms).
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


@dataclass(frozen=True, slots=True)
class Weights:
    """In standard deviations of the candidates' scores."""

    bm25: float = 1.0
    dense: float = 1.0
    late: float = 2.0
    code: float = 0.8
    newer: float = 0.3
    output: float = 0.0
    sidechain: float = 0.0
    prompt: float = 0.0
    exchange: float = 0.0
    file: float = 0.4
    project: float = 0.5
    window: float = 1.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its fused score and the parts it is the sum of; `late`: its raw late interaction, 0 to 1 (0: not reranked)."""

    candidate: Candidate
    score: float
    late: float
    parts: dict[str, float] = field(default_factory=dict)


WEIGHTS = Weights()


def rank_candidates(question: Question, candidates: Sequence[Candidate], weights: Weights = WEIGHTS) -> list[Scored]:
    """Order the candidates, best first. Those beyond the first RERANKED of the fusion keep its order after them."""
    if not candidates:
        return []
    bm25 = standardized([each.bm25 for each in candidates])
    dense = standardized([each.cosine for each in candidates])
    soft = [_soft(question, each, weights) for each in candidates]
    fused = weights.bm25 * bm25 + weights.dense * dense + np.array([sum(each.values()) for each in soft])
    order = np.argsort(-fused, kind="stable")
    head = order[:RERANKED]
    texts = [candidates[place].text.casefold() for place in order]
    raw = late_scores(question, [candidates[place].packed for place in head], texts)
    interacted = standardized(list(raw)) if len(question.vectors) else np.zeros(len(head), dtype=np.float64)
    newer = _newer([candidates[place] for place in head])
    made = []
    for row, place in enumerate(head):
        parts = {
            "bm25": float(weights.bm25 * bm25[place]),
            "dense": float(weights.dense * dense[place]),
            "late": float(weights.late * interacted[row]),
            "newer": float(weights.newer * newer[row]),
            **soft[place],
        }
        made.append(Scored(candidates[place], sum(parts.values()), float(raw[row]), parts))
    if weights.exchange:
        made = _with_siblings(made, weights.exchange)
    made.sort(key=lambda each: -each.score)
    floor = made[-1].score
    for place in order[RERANKED:]:
        behind = floor - float(fused[order[RERANKED - 1]] - fused[place]) if len(order) > RERANKED else floor
        parts = {"bm25": float(weights.bm25 * bm25[place]), "dense": float(weights.dense * dense[place]), **soft[place]}
        made.append(Scored(candidates[place], behind, 0.0, parts))
    return made


def standardized(values: Sequence[float | None]) -> NDArray[np.float64]:
    """z-scores; a missing value counts as the least that was found. Zeros where nothing differs."""
    known = [value for value in values if value is not None]
    least = min(known, default=0.0)
    array = np.array([least if value is None else value for value in values], dtype=np.float64)
    spread = float(array.std())
    return (array - array.mean()) / spread if spread > 1e-9 else np.zeros_like(array)


def late_scores(question: Question, packed: Sequence[bytes], texts: Sequence[str]) -> NDArray[np.float64]:
    """Late interaction of each packed passage: the mean of the question's tokens' best cosines, weighted by idf. 0 to 1."""
    weights = token_weights(question, texts)
    best = np.maximum(late_interaction.best_cosines(question.vectors, packed), 0.0)
    return np.asarray(best @ weights / max(float(weights.sum()), 1e-9), dtype=np.float64)


def token_weights(question: Question, texts: Sequence[str]) -> NDArray[np.float64]:
    """Of each token of the question its word's idf over the candidates' (casefolded) texts; a tenth for stop words and punctuation."""
    found = {word: sum(word in text for text in texts) for word in dict.fromkeys(question.words)}
    count = len(texts)
    idf = {word: math.log(1 + (count - df + 0.5) / (df + 0.5)) for word, df in found.items()}
    return np.array([idf[word] * (1.0 if late_interaction.is_content(word) else 0.1) for word in question.words], dtype=np.float64)


def _soft(question: Question, candidate: Candidate, weights: Weights) -> dict[str, float]:
    """What steers without deciding; only what applies is there."""
    parts: dict[str, float] = {}
    if question.codes:
        text = candidate.text.casefold()
        parts["code"] = weights.code * sum(code in text for code in question.codes) / len(question.codes)
    if candidate.kind != "said":
        parts["output"] = weights.output
    if candidate.role == "user" and weights.prompt:
        parts["prompt"] = weights.prompt
    if candidate.sidechain and weights.sidechain:
        parts["sidechain"] = weights.sidechain
    if question.files and any(_same_file(open_file, file) for open_file in question.files for file in (*candidate.files, candidate.text)):
        parts["file"] = weights.file
    if question.prefer_project and candidate.project == question.prefer_project:
        parts["project"] = weights.project
    if question.window and candidate.at and question.window[0] <= candidate.at < question.window[1]:
        parts["window"] = weights.window
    return parts


def _same_file(open_file: str, where: str) -> bool:
    """Tell whether the file's last two path components stand in a path or a text."""
    tail = "/".join(open_file.replace("\\", "/").split("/")[-2:])
    return bool(tail) and tail in where


def _newer(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """For each candidate -1 (oldest) to 1 (newest) by rank of time among those reranked; 0 where its time is unknown."""
    made = np.zeros(len(candidates), dtype=np.float64)
    dated = sorted((each.at, row) for row, each in enumerate(candidates) if each.at is not None)
    for place, (_, row) in enumerate(dated):
        made[row] = 2 * place / (len(dated) - 1) - 1 if len(dated) > 1 else 0.0
    return made


def _with_siblings(scored: list[Scored], weight: float) -> list[Scored]:
    """Add to each the best score of another passage of its exchange: an answer seldom stands alone."""
    best: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for row, each in enumerate(scored):
        best.setdefault((each.candidate.session, each.candidate.exchange), []).append((each.score, row))
    made = []
    for row, each in enumerate(scored):
        others = [score for score, other in best[each.candidate.session, each.candidate.exchange] if other != row]
        bonus = weight * max(0.0, max(others, default=0.0))
        made.append(Scored(each.candidate, each.score + bonus, each.late, {**each.parts, "exchange": bonus}))
    return made
