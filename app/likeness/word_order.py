"""Compare the order of the words that two texts share: who acts on whom, which word modifies which.

Free word order is no difference: phrases with a preposition of their own and a passive may change places, and some clauses
(`clause_order`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from app.likeness.clause_order import are_rearranged
from app.likeness.verb_forms import form_differences
from app.likeness.wording import Word, Wording

FIXED_ORDER = frozenset({"", "en", "zh"})
"""Languages with a fixed order of words: two neighbours that change places say something else, as `test user` and `user test` do."""
SEQUENCE = "then"
"""The class of the links that tell the order of steps: what follows one may not move."""
MIN_CROSSED = 2
"""Words that a modifier passes when it goes to another one: `idle workers restart importers`, `workers restart idle importers`."""


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word that stands once in both texts. `place`: in the other text."""

    word: Word
    other: Word
    place: int


def order_differences(one: Wording, other: Wording) -> Iterator[str]:
    """Yield `role` or `order of words` if the words that two texts share don't say the same."""
    forwards, backwards = _shared(one, other), _shared(other, one)
    yield from form_differences(one, other, [(each.word, each.other) for each in forwards])
    if _is_exchanged(one, forwards) or (one.passive != other.passive and _acts_elsewhere(forwards)):
        yield "role"
    elif one.keys != other.keys and _is_ordered_otherwise(one, other, _bound(one, other, forwards), _bound(one, other, backwards)):
        yield "order of words"


def _is_ordered_otherwise(one: Wording, other: Wording, forwards: Sequence[SharedWord], backwards: Sequence[SharedWord]) -> bool:
    """Tell whether words say something else where they stand. Both sequences are of the words whose place matters, in either order."""
    if any(_is_reversed(one, other, bound) for bound in (forwards, backwards)):
        return True
    return one.passive == other.passive and (_moves(one, other, forwards) or _moves(other, one, backwards) or _swaps(one, other))


def _shared(one: Wording, other: Wording) -> list[SharedWord]:
    """Return the words that stand once in both texts, in the order of the first."""
    places = {word.key: place for place, word in enumerate(other.words) if other.counts[word.key] == 1}
    mine = (word for word in one.words if one.counts[word.key] == 1 and word.key in places)
    return [SharedWord(word, other.words[places[word.key]], places[word.key]) for word in mine]


def _is_exchanged(one: Wording, shared: Sequence[SharedWord]) -> bool:
    """Tell whether two words have exchanged their prepositions or phrases: `from A to B`, `from B to A`."""
    pairs = {("link", each.word.link, each.other.link) for each in shared if each.word.link != each.other.link}
    if one.vocabulary.language in FIXED_ORDER:  # elsewhere a verb may stand right behind a phrase without belonging to it
        pairs |= {("phrase", each.word.phrase, each.other.phrase) for each in shared if each.word.phrase != each.other.phrase}
    return any((name, theirs, mine) in pairs for name, mine, theirs in pairs)


def _acts_elsewhere(shared: Sequence[SharedWord]) -> bool:
    """Tell whether a change of voice leaves whoever acts where it stood: `A calls B`, `A is called by B`."""
    places = [each.place for each in shared]
    before = accumulate(places[:-1], max, initial=-1)
    after = reversed(list(accumulate(reversed(places[1:]), min, initial=len(places) + max(places, default=0))))
    return any(
        (each.word.link == "by") != (each.other.link == "by") and highest < each.place < lowest
        for each, highest, lowest in zip(shared, before, after, strict=bool(shared))
    )


def _is_reversed(one: Wording, other: Wording, bound: Sequence[SharedWord]) -> bool:
    """Tell whether the order is reversed: `A calls B`, `B calls A`. Some clauses may change places, and a change of voice reverses one."""
    if are_rearranged(one, other, [(each.word, each.other) for each in bound]):
        return True
    parts: dict[object, list[int]] = {}
    for each in bound:
        parts.setdefault((_part(each.word), _part(each.other)), []).append(each.place)
    if len({_part(each.word) for each in bound}) != len({_part(each.other) for each in bound}):
        parts = {None: [each.place for each in bound]}
    return one.passive == other.passive and any(map(_descends_twice, parts.values()))


def _part(word: Word) -> tuple[int, bool]:
    """Return a word's sentence, and whether it stands in a subordinate clause of it: parts that may move."""
    return word.sentence, word.subordinate


def _bound(one: Wording, other: Wording, shared: Sequence[SharedWord]) -> list[SharedWord]:
    """Return the words whose place matters: those of a phrase whose preposition stands once in both texts may stand anywhere."""
    counts = Counter(word.link for word in one.words), Counter(word.link for word in other.words)
    free = {link for link, count in counts[0].items() if link not in {"", SEQUENCE} and count == counts[1][link] == 1}
    return [
        each
        for each in shared
        if not (each.word.is_free and each.other.is_free) and (each.word.phrase != each.other.phrase or each.word.phrase not in free)
    ]


def _descends_twice(places: Sequence[int]) -> bool:
    """Tell whether three places stand in descending order: `A calls B` became `B calls A`. Two blocks that change places don't do that."""
    highest = middle = -1
    for place in places:
        if place < middle:
            return True
        if place < highest:
            middle = max(middle, place)
        highest = max(highest, place)
    return False


def _moves(one: Wording, other: Wording, bound: Sequence[SharedWord]) -> bool:
    """Tell whether a modifier has gone to another word."""
    staying = _longest_ascent([each.place for each in bound])
    ranks = {place: rank for rank, place in enumerate(sorted(each.place for each in bound))}
    common = {each.word.key for each in bound}
    mine, theirs = _modified(one, common), _modified(other, common)
    return any(
        rank not in staying
        and abs(rank - ranks[each.place]) >= MIN_CROSSED
        and not (each.word.link or each.other.link or each.word.is_adverb)
        and mine.get(each.word.key, "") != theirs.get(each.word.key, "")
        and each.word.key in mine.keys() & theirs.keys()
        for rank, each in enumerate(bound)
    )


def _modified(wording: Wording, common: set[str]) -> dict[str, str]:
    """Return each word with the one that follows it at once, if both texts have that."""
    return {word.key: after.key for word, after in pairwise(wording.words) if after.attached and after.key in common}


def _swaps(one: Wording, other: Wording) -> bool:
    """Tell whether a word and the one that it belongs to change places: `test user`, `user test`. An adverb may."""
    if one.vocabulary.language not in FIXED_ORDER:
        return False
    mine, theirs = _neighbours(one), _neighbours(other)
    return any(pair[::-1] in theirs - mine for pair in mine - theirs)


def _neighbours(wording: Wording) -> set[tuple[str, str]]:
    return {(word.key, after.key) for word, after in pairwise(wording.words) if after.attached and not (word.is_adverb or after.is_adverb)}


def _longest_ascent(places: Sequence[int]) -> set[int]:
    """Return the indexes of a longest ascending subsequence: the words that stay in order."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(ends, place)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [index]
        before.append(last[length - 1] if length else -1)
    found: set[int] = set()
    index = last[-1] if last else -1
    while index >= 0:
        found.add(index)
        index = before[index]
    return found
