"""Decide whether two similar texts must not be merged. An embedding barely sees a changed port, flag, word or `not`; this checks those.

A guard that only rejects, after a cosine said "the same": by what a text states exactly (`claims`), and by the words that only one of the
two has (`contrast`). Knows no vectors, no knowledge items, no caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from app.likeness.claims import ExactClaims, Quantity, extract_claims, plain, tails
from app.likeness.contrast import are_long, are_spaced_alike, own_words, reordered, wordings
from app.likeness.opposition import opposed
from app.likeness.tokenization import language_of
from app.likeness.wording import Wording, wording_of

__all__ = ["differing", "differs", "language_of", "restates"]

MIN_WORDS = 2
"""Words with a meaning that a text has in common with the one that it restates: `yes` doesn't restate `it is`."""


def differing(a: str, b: str) -> tuple[str, ...]:
    """Return why two texts must not be merged, such as `number: 8080 ≠ 8081`; empty if nothing exact differs.

    Numbers, flags and negations count even if only one text has them. Paths, URLs, identifiers and quotations count only
    if both texts have some: a paraphrase may omit them, but not replace them. Every other word counts unless it is a function word, or the
    other text has an inflection or a known synonym of it.
    """
    if (verdict := _at_once(a, b)) is not None:
        return verdict
    return tuple(dict.fromkeys((*_exact(a, b), *_contrast(a, b))))


def differs(a: str, b: str) -> bool:
    """Tell whether two texts must not be merged, in a third of the time of `differing`: words of their own tell most pairs apart."""
    if (verdict := _at_once(a, b)) is not None:
        return bool(verdict)
    return any(True for _ in chain(_contrast(a, b), _exact(a, b)))


def restates(a: str, b: str) -> bool:
    """Tell whether neither text has a word of its own: one is the other in another order, with other inflections or synonyms."""
    if are_long(a, b):
        return are_spaced_alike(a, b)
    one, other = wordings(a, b)
    return len(one.counts) >= MIN_WORDS and not any(own_words(one, other))


def _at_once(a: str, b: str) -> tuple[str, ...] | None:
    """Return the verdict on texts that are equal, or too long to be read; None for others."""
    if a == b:
        return ()
    if are_long(a, b):
        return () if are_spaced_alike(a, b) else ("long text: other words",)
    is_same = plain(a) == plain(b) and extract_claims(a).original_words == extract_claims(b).original_words
    return () if is_same else None


def _exact(a: str, b: str) -> Iterator[str]:
    """Compare what two texts state exactly."""
    one, other = extract_claims(a), extract_claims(b)
    mine, yours = wordings(a, b)
    yield from _quantities((one, mine), (other, yours))
    yield from _unequal("flag", one.flags - other.flags, other.flags - one.flags)
    yield from _exchanged("path", (one.paths, one), (other.paths, other), _holds_path)
    yield from _exchanged("url", (one.urls, one), (other.urls, other), lambda url, claims: url in claims.urls)
    yield from _exchanged("identifier", (one.identifiers, one), (other.identifiers, other), _holds_identifier)
    yield from _exchanged("quoted", (one.quotations, one), (other.quotations, other), lambda words, claims: words in claims.text)
    yield from _codes(one, other)
    yield from _proper_nouns(one, other)
    yield from opposed(one.opposites, other.opposites)


def _contrast(a: str, b: str) -> Iterator[str]:
    """Compare the words that carry the meaning. A path or an address that only one text names is no word of its own."""
    one, other = wordings(a, b)
    left, right = own_words(one, other)
    if (left and right) or (left and not set(left) <= _places(a, b, one)) or (right and not set(right) <= _places(b, a, other)):
        yield from _unequal(_label((*left, *right), one), left, right)
    yield from reordered(one, other)


def _label(keys: Sequence[str], wording: Wording) -> str:
    if any(key.startswith(("#", "unit ")) for key in keys):
        return "number"
    return "negation" if wording.vocabulary.negation & set(keys) else "word"


def _places(a: str, b: str, wording: Wording) -> set[str]:
    """Return the words of the paths and addresses that only the first text names."""
    one, other = extract_claims(a), extract_claims(b)
    places = (one.paths - other.paths) | (one.urls - other.urls)
    return {key for place in places for key in wording_of(place, wording.vocabulary.language).keys}


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


def _quantities(first: tuple[ExactClaims, Wording], second: tuple[ExactClaims, Wording]) -> Iterator[str]:
    left = [quantity for quantity in first[0].quantities if not _holds_quantity(quantity, *second)]
    right = [quantity for quantity in second[0].quantities if not _holds_quantity(quantity, *first)]
    label = "version" if any(quantity.version for quantity in (*left, *right)) else "number"
    yield from _unequal(label, left, right)


def _holds_quantity(quantity: Quantity, claims: ExactClaims, wording: Wording) -> bool:
    """Tell whether a text has this quantity: `30` matches `30 s`, `30 s` doesn't match `30 ms`; `3` matches `three`."""
    held = [each for each in claims.quantities if each.digits == quantity.digits]
    if not held:
        return f"#{quantity.digits}" in wording.counts
    return any(each.unit == quantity.unit or not (each.unit and quantity.unit) for each in held)


def _holds_path(path: str, claims: ExactClaims) -> bool:
    """Tell whether a text has this path, also as a longer or shorter suffix, or its parts as words."""
    bare = path.lstrip("/")
    return (
        path in claims.paths
        or bare in claims.path_tails
        or any(tail in claims.paths or "/" + tail in claims.paths for tail in tails(bare, "/"))
        or all(part in claims.words for part in path.casefold().split("/"))
    )


def _holds_identifier(token: str, claims: ExactClaims) -> bool:
    if token in claims.identifiers or token in claims.original_words:
        return True
    if token in claims.identifier_tails or any(tail in claims.identifiers for tail in tails(token, ".")):
        return True
    # A brand such as GitHub is often written in lower case; userId and userid are different names.
    return token[0].isupper() and token.isalpha() and token.lower() in claims.original_words


def _codes(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    """Compare what both texts write in backticks with the same words: `user_id` isn't `user-id`, `a*` isn't `a+`."""
    for words in sorted(one.codes.keys() & other.codes.keys()):
        if not one.codes[words] & other.codes[words]:
            yield from _unequal("code", one.codes[words], other.codes[words])


def _proper_nouns(one: ExactClaims, other: ExactClaims) -> Iterator[str]:
    """Compare proper nouns (capitalized words within a sentence) that are no words of the other text; both texts must have one."""
    left = [name for name in one.proper_nouns if name.lower() not in other.words]
    right = [name for name in other.proper_nouns if name.lower() not in one.words]
    if left and right:
        yield from _unequal("name", left, right)
