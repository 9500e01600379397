"""Tell what a negation denies: that something must be (`optional`), may be (`forbid`), can be (`unable`), ought to be (`discourage`) or is.

Knows a language's list of modal verbs, and the words around a negation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.likeness.tokenization import TextToken
from app.likeness.vocabulary import Negations

PLAIN, FORBID = "plain", "forbid"


@dataclass(frozen=True, slots=True)
class Negation:
    """A negation by what it denies. `modal`: the place of its modal verb, which says nothing else; -1 without."""

    value: str
    modal: int = -1


def negation_at(lists: Negations, written: Sequence[TextToken], place: int, length: int, opening: int) -> Negation:
    """Return what the negation at a place denies. `opening`: where its clause begins, behind phrases such as `note that`."""
    texts = [token.text for token in written[max(0, place - 3) : place + length + 3]]
    middle = place - max(0, place - 3)
    if value := lists.values.get(tuple(texts[middle : middle + length])):
        return Negation(value)
    found = _before(lists, texts, middle) or _after(lists, texts, middle + length)
    found = Negation(found.value, found.modal - middle + place) if found else _elsewhere(lists, written, place) if lists.anywhere else None
    if found and found.value != PLAIN:
        return found
    if written[opening].text in lists.imperative and written[opening].clause == written[place].clause:
        return Negation(FORBID)
    bare = found is None and (written[place].starts or written[place].text in lists.elliptical)
    return Negation("" if bare else PLAIN)


def _after(lists: Negations, texts: Sequence[str], place: int) -> Negation | None:
    for end in range(len(texts), place, -1):
        if value := lists.values.get(tuple(texts[place:end])):
            return Negation(value, place)
    return None


def _before(lists: Negations, texts: Sequence[str], place: int) -> Negation | None:
    for start in range(place):
        if value := lists.values.get(tuple(texts[start:place])):
            return Negation(value, start)
    return None


def _elsewhere(lists: Negations, written: Sequence[TextToken], place: int, within: int = 12) -> Negation | None:
    """Return the nearest modal verb of the clause, first before the negation, then behind it."""
    for other in (*range(place - 1, max(-1, place - within), -1), *range(place + 1, min(len(written), place + within))):
        value = lists.values.get((written[other].text,))
        if value and written[other].clause == written[place].clause:
            return Negation(value, other)
    return None
