"""Decide whether two similar texts must not be merged. An embedding barely sees a changed port, flag, path or `not`; this checks those.

A guard that only rejects, after a cosine said "the same". Knows no vectors, no knowledge items, no caches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from app.likeness.claims import ExactClaims, Quantity, extract_claims, stem

__all__ = ["differing"]

_WORD = re.compile(r"\w+")


def differing(a: str, b: str) -> tuple[str, ...]:
    """Return why two texts must not be merged, such as `number: 8080 ≠ 8081`; empty if nothing exact differs.

    Numbers, flags and negations count even if only one text has them. Paths, URLs, identifiers and quotations count only
    if both texts have some: a paraphrase may omit them, but not replace them.
    """
    if a == b:
        return ()
    one, other = extract_claims(a), extract_claims(b)
    if one.text == other.text and one.original_words == other.original_words:
        return ()
    return tuple(dict.fromkeys(_reasons(one, other)))


def _reasons(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    yield from _quantities(one, other)
    yield from _unequal("flag", one.flags - other.flags, other.flags - one.flags)
    yield from _exchanged("path", (one.paths, one), (other.paths, other), _holds_path)
    yield from _exchanged("url", (one.urls, one), (other.urls, other), lambda url, claims: url in claims.urls)
    yield from _exchanged("identifier", (one.identifiers, one), (other.identifiers, other), _holds_identifier)
    yield from _exchanged("quoted", (one.quotations, one), (other.quotations, other), lambda words, claims: words in claims.text)
    yield from _proper_nouns(one, other)
    yield from _negations(one, other)
    yield from _opposites(one, other)
    yield from _order(one, other)


def _unequal(label: str, mine: Iterable[object], yours: Iterable[object]) -> Iterator[str]:
    left, right = ", ".join(sorted(map(str, mine))), ", ".join(sorted(map(str, yours)))
    if left or right:
        yield f"{label}: {left or '∅'} ≠ {right or '∅'}"


def _exchanged(
    label: str,
    mine: tuple[frozenset[str], ExactClaims],
    yours: tuple[frozenset[str], ExactClaims],
    holds: Callable[[str, ExactClaims], bool],
) -> Iterator[str]:
    if mine[0] and yours[0]:
        yield from _unequal(
            label,
            [token for token in mine[0] if not holds(token, yours[1])],
            [token for token in yours[0] if not holds(token, mine[1])],
        )


def _quantities(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    left = [quantity for quantity in one.quantities if not _holds_quantity(quantity, other)]
    right = [quantity for quantity in other.quantities if not _holds_quantity(quantity, one)]
    label = "version" if any(quantity.version for quantity in (*left, *right)) else "number"
    yield from _unequal(label, left, right)
    if one.number_words and other.number_words:
        numbers = [claims.number_words | {quantity.digits for quantity in claims.quantities} for claims in (one, other)]
        yield from _unequal("number", one.number_words - numbers[1], other.number_words - numbers[0])


def _holds_quantity(quantity: Quantity, claims: ExactClaims) -> bool:
    """Tell whether a text has this quantity: `30` matches `30 s`, `30 s` doesn't match `30 ms`; `3` matches `three`."""
    return quantity.digits in claims.number_words or any(
        quantity.digits == held.digits and (quantity.unit == held.unit or not (quantity.unit and held.unit)) for held in claims.quantities
    )


def _holds_path(path: str, claims: ExactClaims) -> bool:
    """Tell whether a text has this path, also as a longer or shorter suffix, or its parts as words."""
    return any(
        path == held or path.endswith("/" + held.lstrip("/")) or held.endswith("/" + path.lstrip("/")) for held in claims.paths
    ) or all(part in claims.words for part in path.casefold().split("/"))


def _holds_identifier(token: str, claims: ExactClaims) -> bool:
    if token in claims.identifiers or token in claims.original_words:
        return True
    if any(token.endswith("." + held) or held.endswith("." + token) for held in claims.identifiers):
        return True
    # A brand such as GitHub is often written in lower case; userId and userid are different names.
    return token[0].isupper() and token.isalpha() and token.lower() in claims.original_words


def _proper_nouns(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    """Compare proper nouns (capitalized words within a sentence) that are no words of the other text; both texts must have one."""
    left = [name for name in one.proper_nouns if name.lower() not in other.words]
    right = [name for name in other.proper_nouns if name.lower() not in one.words]
    if left and right:
        yield from _unequal("name", left, right)


def _negations(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    if len(one.negated) != len(other.negated):
        yield f"negation: {len(one.negated)} ≠ {len(other.negated)}"
        return
    shifted = [*_affirmed(one, other), *_affirmed(other, one)]
    if shifted:
        yield f"negation: of {', '.join(sorted(shifted))}"


def _affirmed(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    """Yield what one text negates and the other states."""
    said = {stem(word) for word in other.words}
    yield from (word for word in one.negated if word not in other.negated and word in said)


def _opposites(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    for group in one.opposites.keys() & other.opposites.keys():
        left, right = one.opposites[group], other.opposites[group]
        if left.keys() - right.keys() and right.keys() - left.keys():
            yield from _unequal("antonym", left.keys() - right.keys(), right.keys() - left.keys())
        elif _swapped(left, right):
            yield f"order: of {', '.join(sorted(left))}"


def _swapped(left: dict[str, frozenset[str]], right: dict[str, frozenset[str]]) -> bool:
    """Tell whether two members changed places: `enable A, disable B` and `enable B, disable A`."""
    common = sorted(left.keys() & right.keys())
    return any(
        left[first] & right[second] and not left[first] & right[first]
        for first in common
        for second in common
        if first != second and left[first] != {""}
    )


def _order(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    """Compare order: `A instead of B` and `B instead of A`, or the same words in another order if order carries meaning."""
    reversed_pairs = {(right, link, left) for left, link, right in one.ordered_pairs if left != right} & other.ordered_pairs
    if reversed_pairs or (
        one.has_direction and other.has_direction and one.words == other.words and _WORD.findall(one.text) != _WORD.findall(other.text)
    ):
        yield "order"
