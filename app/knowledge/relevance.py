"""Does an item answer the question? Cosine and the question's own terms, on one scale from 0 to 1. Pure arithmetic.

Thresholds: measured with `python tests/performance/search_quality.py` (docs/decisions/0004-relevance.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
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


class Asked:
    """A question's terms, ready to be looked for in many items.

    `codes`: those among them that look like code (errors, flags, paths, symbols, versions).
    """

    def __init__(self, terms: Sequence[str], codes: Sequence[str]) -> None:
        self.terms = list(dict.fromkeys(terms))
        self.codes = list(codes)
        self._spelt = [(term, _plural(term)) for term in self.terms]
        self._spelt_codes = [(code, _plural(code)) for code in self.codes]

    def relevance(self, cosine: float, found: AbstractSet[str]) -> Relevance:
        """How relevant an item of the terms `found` is."""
        dense = _dense(cosine)
        coverage = self._coverage(found)
        exact = tuple([code for code in self.codes if code in found])
        score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _trust(dense)
        if self.codes:
            score = max(score, EXACT * len(exact) / len(self.codes))
        return Relevance(score=min(1.0, score), cosine=cosine, coverage=coverage, exact=exact)

    def coverage_alone(self, found: AbstractSet[str]) -> Relevance:
        """Where there is no vector."""
        coverage = self._coverage(found)
        return Relevance(score=coverage, cosine=0.0, coverage=coverage, exact=tuple([code for code in self.codes if code in found]))

    def at_most(self, cosine: float, text: str) -> float:
        """What `relevance` can't exceed, at a tenth of its price: the text isn't taken apart, only looked into.

        A term is a piece of its text, without the plural's ending (`lexical`): where neither it nor its plural stands, it isn't one
        of the item's.
        """
        dense = _dense(cosine)
        low = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
        coverage = _share_in(low, self._spelt)
        score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _trust(dense)
        if self.codes:
            score = max(score, EXACT * _share_in(low, self._spelt_codes))
        return min(1.0, score)

    def _coverage(self, found: AbstractSet[str]) -> float:
        return sum([term in found for term in self.terms]) / len(self.terms) if self.terms else 0.0


def _plural(term: str) -> str | None:
    """The one whose stem isn't a piece of it."""
    return f"{term[:-1]}ies" if term.endswith("y") else None


def _share_in(low: str, spelt: Sequence[tuple[str, str | None]]) -> float:
    return sum([term in low or (plural is not None and plural in low) for term, plural in spelt]) / len(spelt) if spelt else 0.0


def _dense(cosine: float) -> float:
    return min(1.0, max(0.0, (cosine - UNRELATED) / (SAME - UNRELATED)))


def _trust(dense: float) -> float:
    """Common words shared with an unrelated text prove little: coverage counts in full once the meaning is near."""
    return min(1.0, dense / 0.35)
