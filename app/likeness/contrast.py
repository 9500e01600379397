"""Contrast two texts: what each says in words of its own, and what words that they share say in another order.

Two texts say the same only if what differs is function words, inflections or known synonyms. A word that no list knows differs from every
other, in any language: the lists of `vocabulary` make merges possible, they prevent none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from app.likeness.tokenization import language_of
from app.likeness.word_order import order_differences
from app.likeness.wording import Wording, wording_of

MAX_CHARS = 4_000
"""Longer texts are not read: one is only taken for the other if they are equal but for white space. Items have at most 8,200."""

MIN_COMMON = 2
"""Words that two texts must share for a verb that adds nothing to be left out: `you can use it` isn't `you can do it`."""


def are_long(a: str, b: str) -> bool:
    """Tell whether two texts are too long to be read within the time that a comparison may take."""
    return max(len(a), len(b)) > MAX_CHARS


def are_spaced_alike(a: str, b: str) -> bool:
    """Tell whether two texts are equal but for white space."""
    return a.split() == b.split()


def wordings(a: str, b: str) -> tuple[Wording, Wording]:
    """Read two texts in their common language."""
    language = language_of(a, b)
    return wording_of(a, language), wording_of(b, language)


def own_words(one: Wording, other: Wording) -> tuple[list[str], list[str]]:
    """Return the words of each text that the other doesn't have, in order."""
    if one.counts == other.counts:
        return [], []
    left, right = _more(one, other), _more(other, one)
    return ([], []) if _joined(left) & _joined(right) else (left, right)


def _joined(keys: Sequence[str]) -> set[str]:
    """Return words written as one: `time out` as `timeout`, and both orders of a verb that is split, as in German."""
    return {"".join(order).replace(" ", "") for order in (keys, keys[::-1] if len(keys) == 2 else keys) if keys}


def reordered(one: Wording, other: Wording) -> Iterator[str]:
    """Yield why the words that two texts share don't say the same: exclusive function words, exchanged roles, moved modifiers."""
    yield from _exclusive(one, other)
    for key in sorted({*_other_scopes(one, other), *_other_scopes(other, one)}):
        yield f"{'negation' if key in one.vocabulary.negation else 'scope'}: of {key}"
    if _other_prepositions(one, other):
        yield "preposition"
    yield from order_differences(one, other)


def _more(one: Wording, other: Wording) -> list[str]:
    """Return the words of which a text has more than the other; verbs that add nothing only where the two share few words."""
    surplus = [key for key in one.counts if one.counts[key] > other.counts[key]]
    generic = one.vocabulary.generic
    if not generic.isdisjoint(surplus) and len((one.counts & other.counts).keys() - generic) >= MIN_COMMON:
        return [key for key in surplus if key not in generic]
    return surplus


def _exclusive(one: Wording, other: Wording) -> Iterator[str]:
    """Yield kinds of which each text, or each before the same word, has a value that the other lacks: `must` and `may`, `my` and `his`."""
    yield from _excluded(one.kinds, other.kinds)
    mine, theirs = _kinds_by_word(one), _kinds_by_word(other)
    for key in sorted(mine.keys() & theirs.keys()):
        yield from _excluded(mine[key], theirs[key])


def _kinds_by_word(wording: Wording) -> dict[str, dict[str, Counter[str]]]:
    found: dict[str, dict[str, Counter[str]]] = {}
    for word in wording.words:
        for kind, value in word.kinds:
            of_word = found.setdefault(word.key, {})
            if kind not in of_word:
                of_word[kind] = Counter()
            of_word[kind][value] += 1
    return found


def _excluded(one: Mapping[str, Counter[str]], other: Mapping[str, Counter[str]]) -> Iterator[str]:
    for kind in one.keys() & other.keys():
        left, right = one[kind] - other[kind], other[kind] - one[kind]
        if left and right:
            yield f"{kind}: {', '.join(sorted(left))} ≠ {', '.join(sorted(right))}"


def _other_scopes(one: Wording, other: Wording) -> Iterator[str]:
    """Yield words such as `only` that concern something else in the other text."""
    theirs: dict[str, frozenset[str]] = {}
    for key, concerned in other.scopes():
        theirs[key] = theirs.get(key, frozenset()) | concerned
    for key, mine in one.scopes():
        if mine and theirs.get(key) and not mine & theirs[key]:
            yield key


def _other_prepositions(one: Wording, other: Wording) -> bool:
    """Tell whether two words that follow each other in both texts are linked by prepositions that don't stand for each other."""
    theirs = {(left.key, right.key): right.link for left, right in pairwise(other.words)}
    return any(
        bool(right.link and (link := theirs.get((left.key, right.key))))
        and link != right.link
        and (frozenset((link, right.link)) not in one.vocabulary.alike_links or right.key.startswith("#"))
        for left, right in pairwise(one.words)
    )
