"""Scores how relevant an item is to a question, 0 to 1, from their cosine and the question's terms. Pure arithmetic.

The thresholds were measured with `python tests/performance/search_quality.py` (docs/decisions/0004-relevance.md).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

UNRELATED, SAME = 0.20, 0.75
"""Cosines mapped to 0 and 1: with all-MiniLM-L6-v2 unrelated texts have 0.1–0.2, a question and its answer 0.45–0.8."""
EXACT = 0.75
"""Score of an item that contains all of the question's error codes, flags, paths or symbols, whatever its cosine."""
LEXICAL_WEIGHT = 0.35


@dataclass(frozen=True, slots=True)
class Relevance:
    """A score, 0 to 1, and its parts, which `explain` shows."""

    score: float
    cosine: float
    coverage: float
    exact: tuple[str, ...]


class QuestionTerms:
    """A question's terms, prepared for comparison with many items.

    `codes`: those that look like code (errors, flags, paths, symbols, versions).
    """

    def __init__(self, terms: Sequence[str], codes: Sequence[str]) -> None:
        self.terms = list(dict.fromkeys(terms))
        self.codes = list(codes)
        self._spelt = [(term, _plural(term)) for term in self.terms]
        self._spelt_codes = [(code, _plural(code)) for code in self.codes]

    def relevance(self, cosine: float, found: AbstractSet[str]) -> Relevance:
        """Return the relevance of an item with the terms `found`."""
        dense = _dense(cosine)
        coverage = self._coverage(found)
        exact = tuple([code for code in self.codes if code in found])
        score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _coverage_trust(dense)
        if self.codes:
            score = max(score, EXACT * len(exact) / len(self.codes))
        return Relevance(score=min(1.0, score), cosine=cosine, coverage=coverage, exact=exact)

    def coverage_alone(self, found: AbstractSet[str]) -> Relevance:
        """Return the relevance by shared terms alone, for lack of a vector."""
        coverage = self._coverage(found)
        return Relevance(score=coverage, cosine=0.0, coverage=coverage, exact=tuple([code for code in self.codes if code in found]))

    def upper_bound(self, cosine: float, text: str) -> float:
        """Return an upper bound of `relevance`, ten times cheaper: searches the text for the terms instead of splitting it.

        A term is a substring of its text, or its plural in -ies is (see `lexical`): a term found in neither form isn't one of the item's.
        """
        dense = _dense(cosine)
        low = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
        coverage = _share_in(low, self._spelt)
        score = (1 - LEXICAL_WEIGHT) * dense + LEXICAL_WEIGHT * coverage * _coverage_trust(dense)
        if self.codes:
            score = max(score, EXACT * _share_in(low, self._spelt_codes))
        return min(1.0, score)

    def _coverage(self, found: AbstractSet[str]) -> float:
        return sum([term in found for term in self.terms]) / len(self.terms) if self.terms else 0.0


def _plural(term: str) -> str | None:
    """Return the plural whose stem isn't its substring (`query`, `queries`), or None."""
    return f"{term[:-1]}ies" if term.endswith("y") else None


def _share_in(low: str, spelt: Sequence[tuple[str, str | None]]) -> float:
    return sum([term in low or (plural is not None and plural in low) for term, plural in spelt]) / len(spelt) if spelt else 0.0


def _dense(cosine: float) -> float:
    return min(1.0, max(0.0, (cosine - UNRELATED) / (SAME - UNRELATED)))


def _coverage_trust(dense: float) -> float:
    """Return how far coverage counts: common words shared with an unrelated text prove little, so it counts fully only near the meaning."""
    return min(1.0, dense / 0.35)
