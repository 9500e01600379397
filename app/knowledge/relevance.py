"""Does an item answer the question? Cosine and the question's own terms, on one scale from 0 to 1. Pure arithmetic.

Thresholds: measured with `python tests/performance/search_quality.py` (docs/decisions/0004-relevance.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

UNRELATED, SAME = 0.20, 0.75
"""all-MiniLM-L6-v2 puts an unrelated question and text near 0.1–0.2, a question and its answer at 0.45–0.8."""
EXACT = 0.75
"""What naming an item's error code, flag, path or symbol exactly is worth, whatever the dense vector says."""
LEXICAL_WEIGHT = 0.35


@dataclass(frozen=True, slots=True)
class Relevance:
    """`score` 0..1; the parts are shown by `explain`."""

    score: float
    cosine: float
    coverage: float
    exact: tuple[str, ...]


def relevance(*, cosine: float, asked: Sequence[str], codes: Sequence[str], found: frozenset[str]) -> Relevance:
    """How relevant an item is.

    `asked`: the question's terms; `codes`: those among them that look like code (errors, flags, paths, symbols, versions);
    `found`: the terms of the item.
    """
    dense = _dense(cosine)
    coverage = sum(term in found for term in asked) / len(asked) if asked else 0.0
    exact = tuple(code for code in codes if code in found)
    score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _trust(dense)
    if codes:
        score = max(score, EXACT * len(exact) / len(codes))
    return Relevance(score=min(1.0, score), cosine=cosine, coverage=coverage, exact=exact)


def at_most(cosine: float, *, asked: Sequence[str], codes: Sequence[str], text: str | None = None) -> float:
    """What `relevance` can't exceed, at a tenth of its price: the item's terms aren't taken apart, its text is only looked into, or not
    even that.

    A term is a piece of its text, without the plural's ending (`lexical`): where neither it nor its plural stands, it isn't one of
    the item's.
    """
    dense, coverage, exact = _dense(cosine), float(bool(asked)), 1.0
    if text is not None:
        low = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
        coverage = sum([_stands_in(term, low) for term in asked]) / len(asked) if asked else 0.0
        exact = sum([_stands_in(code, low) for code in codes]) / len(codes) if codes else 0.0
    score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _trust(dense)
    return min(1.0, max(score, EXACT * exact) if codes else score)


def _stands_in(term: str, low: str) -> bool:
    return term in low or (term.endswith("y") and f"{term[:-1]}ies" in low)


def _dense(cosine: float) -> float:
    return min(1.0, max(0.0, (cosine - UNRELATED) / (SAME - UNRELATED)))


def _trust(dense: float) -> float:
    """Common words shared with an unrelated text prove little: coverage counts in full once the meaning is near."""
    return min(1.0, dense / 0.35)
