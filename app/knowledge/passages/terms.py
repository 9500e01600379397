"""Passages → lexical terms: those of `storage.vectors.lexical`, with verbs stemmed too. Identifiers, codes, flags and paths stay whole.

Prose asks for what was said in other forms (`caching` for `cached`); an item's terms stay as they are, since PostgreSQL is asked for them.
"""

from __future__ import annotations

from functools import lru_cache

from app.storage.vectors.lexical import SparseVector, grouped, sparse, weighted
from app.storage.vectors.lexical import terms as whole_terms

AVERAGE_TERMS = 90.0
"""Of a passage, measured over 3,200 of real sessions; fixed, since weights are stored."""
PART = 0.5
_MIN_STEM = 3


def terms(text: str) -> list[str]:
    """The terms of a text, in order, with repetition."""
    return [stem(term) for term in whole_terms(text)]


def document(text: str) -> SparseVector:
    """BM25's document side (k1 1.2, b 0.75), for an index with an IDF modifier."""
    return weighted(terms(text), average_terms=AVERAGE_TERMS)


def query(text: str) -> SparseVector:
    """BM25's query side: each term once, by its weight."""
    return sparse(query_weights(text))


def query_weights(text: str) -> dict[str, float]:
    """The question's terms: 1 for what was written, PART for the parts of a name, or one name would count as often as it has parts."""
    weights: dict[str, float] = {}
    for whole, *parts in grouped(text):
        weights[stem(whole)] = 1.0
        for part in parts:  # pairs of Chinese characters are no parts of a name
            weights[stem(part)] = max(weights.get(stem(part), 0.0), PART if part.isascii() else 1.0)
    return weights


def hashed(text: str) -> list[int]:
    """The distinct terms' ids as PostgreSQL's integers (signed 32-bit), ascending."""
    return sorted(index - (1 << 32) if index >= 1 << 31 else index for index in query(text).indices)


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """Take -ing, -ed and a last e off a plain English word: `cache`, `cached`, `caching` are one term."""
    if not (word.isascii() and word.isalpha()) or len(word) <= _MIN_STEM + 1:
        return word
    for ending in ("ing", "ed"):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= _MIN_STEM and any(vowel in bare for vowel in "aeiouy"):
            word = bare[:-1] if bare[-1] == bare[-2] and bare[-1] not in "lsz" else bare
            break
    return word[:-1] if word.endswith("e") and len(word) > _MIN_STEM + 1 else word
