"""Is the question answered by what was found? A logistic over raw scores: z-scores would hide that even the best is far away.

Coefficients: `abstention.json`, fitted by `tests/performance/fit_abstention.py`, which says on what, and prints the trade-off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from app.knowledge.passages.composing import Ranked
from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import Scored
from app.knowledge.passages.terms import terms

NAMES = ("bm25", "late", "known")
"""The best BM25 of any candidate (its logarithm), the best raw late interaction, and the share of the question's idf that the project's
passages know at all. Measured and left out: the best cosine, the coverage by the first passages, the gap, the agreement of both legs."""
SPREAD = 4.0
"""A result this many standard deviations behind the first is shown with 1/e of its relevance."""
_FILE = Path(__file__).with_name("abstention.json")


def features(question: Question, scored: Sequence[Scored], idf: Callable[[str], float]) -> tuple[float, ...]:
    """The raw features of an answer, in the order of NAMES. `idf("")` is that of a term that no passage has."""
    if not scored:
        return (0.0,) * len(NAMES)
    bm25 = max(each.candidate.bm25 or 0.0 for each in scored)
    unseen = idf("")
    weights = [idf(term) for term in dict.fromkeys(terms(question.text[:4000]))]
    known = sum(weight for weight in weights if weight < unseen - 1e-9) / max(sum(weights), 1e-9)
    return (math.log1p(bm25), max(each.late for each in scored), known)


def confidence(found: Sequence[float]) -> float:
    """The probability that the question is answered, 0 to 1."""
    stored = _coefficients()
    total = stored["intercept"] + sum(stored[name] * value for name, value in zip(NAMES, found, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def with_relevance(results: Sequence[Ranked], answered: float) -> list[Ranked]:
    """The results with the number that `min_relevance` is compared with: the first has the answer's confidence, the others less."""
    if not results:
        return []
    top = max(each.score for each in results)
    return [replace(each, relevance=answered * math.exp(min(0.0, (each.score - top) / SPREAD))) for each in results]


@cache
def _coefficients() -> dict[str, float]:
    return {name: float(value) for name, value in json.loads(_FILE.read_text())["coefficients"].items()}
