"""Lexical terms of passages: those of `storage.vectors.lexical` with verbs stemmed; identifiers, codes, flags and paths stay whole.

A question often inflects differently from the answer (`caching`, `cached`). Items keep unstemmed terms, as PostgreSQL does.
"""

from __future__ import annotations

from functools import lru_cache

from app.storage.vectors.lexical import SparseVector, grouped, sparse, weighted
from app.storage.vectors.lexical import terms as whole_terms

AVERAGE_TERMS = 90.0
"""Average document length for BM25, measured over 3,200 real passages; fixed, since the weights are stored."""
PART = 0.5
"""Query weight of a part of a compound name (`user` in `user_id`)."""
_MIN_STEM = 3


def terms(text: str) -> list[str]:
    """Return a text's terms in order, with repetition."""
    return [stem(term) for term in whole_terms(text)]


def document(text: str) -> SparseVector:
    """Return BM25's document vector (k1 1.2, b 0.75), for an index with an IDF modifier."""
    return weighted(terms(text), average_terms=AVERAGE_TERMS)


def query(text: str) -> SparseVector:
    """Return BM25's query vector: each term once, by its weight."""
    return sparse(query_weights(text))


def query_weights(text: str) -> dict[str, float]:
    """Weigh the question's terms: 1 as written, PART for the parts of a compound, so that a name doesn't count once for each part."""
    weights: dict[str, float] = {}
    for whole, *parts in grouped(text):
        weights[stem(whole)] = 1.0
        for part in parts:  # Chinese bigrams aren't parts of a compound
            weights[stem(part)] = max(weights.get(stem(part), 0.0), PART if part.isascii() else 1.0)
    return weights


def hashed(text: str) -> list[int]:
    """Return the distinct term ids as PostgreSQL integers (signed 32-bit), ascending."""
    return sorted(index - (1 << 32) if index >= 1 << 31 else index for index in query(text).indices)


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """Strip -ing, -ed and a final e from a plain English word: `cache`, `cached` and `caching` are one term."""
    if not (word.isascii() and word.isalpha()) or len(word) <= _MIN_STEM + 1:
        return word
    for ending in ("ing", "ed"):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= _MIN_STEM and any(vowel in bare for vowel in "aeiouy"):
            word = bare[:-1] if bare[-1] == bare[-2] and bare[-1] not in "lsz" else bare
            break
    return word[:-1] if word.endswith("e") and len(word) > _MIN_STEM + 1 else word
