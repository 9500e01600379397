"""Decide whether two similar texts must not be merged. An embedding barely sees a changed port, flag, path or `not`; this checks those.

A guard that only rejects, after a cosine said "the same". Knows no vectors, no knowledge items, no caches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from app.likeness.tokens import Quantity, TextTokens, read, stem

__all__ = ["differing"]

_WORD = re.compile(r"\w+")


def differing(a: str, b: str) -> tuple[str, ...]:
    """Return why two texts must not be merged, such as `number: 8080 ≠ 8081`; empty if nothing exact differs.

    Numbers, flags and negations count even if only one text has them. Paths, URLs, identifiers and quotations count only
    if both texts have some: a paraphrase may omit them, but not replace them.
    """
    if a == b:
        return ()
    one, other = read(a), read(b)
    if one.text == other.text and one.spelled == other.spelled:
        return ()
    return tuple(dict.fromkeys(_reasons(one, other)))


def _reasons(one: TextTokens, other: TextTokens) -> Iterator[str]:
    yield from _quantities(one, other)
    yield from _unequal("flag", one.flags - other.flags, other.flags - one.flags)
    yield from _exchanged("path", (one.paths, one), (other.paths, other), _holds_path)
    yield from _exchanged("url", (one.urls, one), (other.urls, other), lambda url, reading: url in reading.urls)
    yield from _exchanged("identifier", (one.identifiers, one), (other.identifiers, other), _holds_identifier)
    yield from _exchanged("quoted", (one.quotations, one), (other.quotations, other), lambda words, reading: words in reading.text)
    yield from _names(one, other)
    yield from _negations(one, other)
    yield from _opposites(one, other)
    yield from _order(one, other)


def _unequal(label: str, mine: Iterable[object], yours: Iterable[object]) -> Iterator[str]:
    left, right = ", ".join(sorted(map(str, mine))), ", ".join(sorted(map(str, yours)))
    if left or right:
        yield f"{label}: {left or '∅'} ≠ {right or '∅'}"


def _exchanged(
    label: str,
    mine: tuple[frozenset[str], TextTokens],
    yours: tuple[frozenset[str], TextTokens],
    holds: Callable[[str, TextTokens], bool],
) -> Iterator[str]:
    if mine[0] and yours[0]:
        yield from _unequal(
            label,
            [token for token in mine[0] if not holds(token, yours[1])],
            [token for token in yours[0] if not holds(token, mine[1])],
        )


def _quantities(one: TextTokens, other: TextTokens) -> Iterator[str]:
    left = [quantity for quantity in one.quantities if not _holds_quantity(quantity, other)]
    right = [quantity for quantity in other.quantities if not _holds_quantity(quantity, one)]
    label = "version" if any(quantity.version for quantity in (*left, *right)) else "number"
    yield from _unequal(label, left, right)
    if one.number_words and other.number_words:
        numbers = [reading.number_words | {quantity.digits for quantity in reading.quantities} for reading in (one, other)]
        yield from _unequal("number", one.number_words - numbers[1], other.number_words - numbers[0])


def _holds_quantity(quantity: Quantity, reading: TextTokens) -> bool:
    """Tell whether a text has this quantity: `30` matches `30 s`, `30 s` doesn't match `30 ms`; `3` matches `three`."""
    return quantity.digits in reading.number_words or any(
        quantity.digits == held.digits and (quantity.unit == held.unit or not (quantity.unit and held.unit)) for held in reading.quantities
    )


def _holds_path(path: str, reading: TextTokens) -> bool:
    """Tell whether a text has this path, also as a longer or shorter suffix, or its parts as words."""
    return any(
        path == held or path.endswith("/" + held.lstrip("/")) or held.endswith("/" + path.lstrip("/")) for held in reading.paths
    ) or all(part in reading.words for part in path.casefold().split("/"))


def _holds_identifier(token: str, reading: TextTokens) -> bool:
    if token in reading.identifiers or token in reading.spelled:
        return True
    if any(token.endswith("." + held) or held.endswith("." + token) for held in reading.identifiers):
        return True
    # A brand such as GitHub is often written in lower case; userId and userid are different names.
    return token[0].isupper() and token.isalpha() and token.lower() in reading.spelled


def _names(one: TextTokens, other: TextTokens) -> Iterator[str]:
    """Compare names (capitalized words within a sentence) that are no words of the other text; both texts must have one."""
    left = [name for name in one.names if name.lower() not in other.words]
    right = [name for name in other.names if name.lower() not in one.words]
    if left and right:
        yield from _unequal("name", left, right)


def _negations(one: TextTokens, other: TextTokens) -> Iterator[str]:
    if len(one.negated) != len(other.negated):
        yield f"negation: {len(one.negated)} ≠ {len(other.negated)}"
        return
    moved = [*_affirmed(one, other), *_affirmed(other, one)]
    if moved:
        yield f"negation: of {', '.join(sorted(moved))}"


def _affirmed(one: TextTokens, other: TextTokens) -> Iterator[str]:
    """Yield what one text negates and the other states."""
    said = {stem(word) for word in other.words}
    yield from (word for word in one.negated if word not in other.negated and word in said)


def _opposites(one: TextTokens, other: TextTokens) -> Iterator[str]:
    for group in one.members.keys() & other.members.keys():
        left, right = one.members[group], other.members[group]
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


def _order(one: TextTokens, other: TextTokens) -> Iterator[str]:
    """Compare order: `A instead of B` and `B instead of A`, or the same words in another order if order carries meaning."""
    turned = {(right, link, left) for left, link, right in one.swaps if left != right} & other.swaps
    if turned or (one.directed and other.directed and one.words == other.words and _WORD.findall(one.text) != _WORD.findall(other.text)):
        yield "order"
