"""Estimates the probability that what was found answers the question: a logistic model of raw scores.

Raw, because z-scores would hide that even the best candidate is poor. `tests/performance/fit_abstention.py` fits `abstention.json`, and
documents its data and the trade-off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from app.knowledge.passages.composing import Ranked
from app.knowledge.passages.ranking import Ranking

NAMES = ("late", "known")
"""The first candidate's raw late interaction, and the share of the question's idf mass whose terms occur in any candidate (idf among the
candidates). Neither depends on the index's size, unlike BM25, which grows with the documents of all teams.
Measured and left out: BM25 raw or over ln N, the best cosine, the gap to the second, the agreement of both legs."""
SPREAD = 4.0
"""A result this many standard deviations below the first has 1/e of its relevance."""
_FILE = Path(__file__).with_name("abstention.json")


def features(ranking: Ranking) -> tuple[float, ...]:
    """Return the model's inputs, in the order of NAMES."""
    if not ranking.scored:
        return (0.0,) * len(NAMES)
    known = sum(ranking.idf[term] for term in ranking.known)
    return (ranking.scored[0].late, known / max(sum(ranking.idf.values()), 1e-9))


def confidence(found: Sequence[float]) -> float:
    """Return the probability that the question is answered, 0 to 1."""
    stored = coefficients()
    total = stored["intercept"] + sum(stored[name] * value for name, value in zip(NAMES, found, strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def with_relevance(results: Sequence[Ranked], answered: float) -> list[Ranked]:
    """Set each result's `relevance`, which `min_score` is compared with: the first has the answer's confidence, the others less."""
    found = relevances([each.score for each in results], answered)
    return [replace(each, relevance=relevance) for each, relevance in zip(results, found, strict=True)]


def relevances(scores: Sequence[float], answered: float) -> list[float]:
    """Map fused scores to relevances, 0 to 1: the best gets the answer's confidence, the others decay exponentially (see SPREAD)."""
    top = max(scores, default=0.0)
    return [answered * math.exp(min(0.0, (score - top) / SPREAD)) for score in scores]


@cache
def coefficients() -> dict[str, float]:
    """Read the fitted coefficients: `intercept`, and one for each of NAMES."""
    return {name: float(value) for name, value in json.loads(_FILE.read_text())["coefficients"].items()}
