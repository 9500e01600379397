"""Contrast two texts: what each says in words of its own, and what words that they share say in another order.

Two texts say the same only if what differs is function words, inflections or known synonyms. A word that no list knows differs from every
other, in any language: the lists of `vocabulary` make merges possible, they prevent none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from app.likeness.wording import Word, Wording, language_of, wording_of

SWAPPING_LANGUAGES = frozenset({"", "en", "zh"})
"""Languages in which two neighbouring words that change places say something else: `test user` and `user test`."""
MIN_CROSSED = 2
"""Words that a modifier passes when it goes to another one: `idle workers restart importers`, `workers restart idle importers`."""


MAX_CHARS = 4_000
"""Longer texts are not read: one is only taken for the other if they are equal but for white space. Items have at most 8,200."""


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
    """Return the words of each text that the other doesn't have, in order. Words that are only repeated don't count."""
    if one.counts == other.counts:
        return [], []
    left, right = _more(one, other), _more(other, one)
    if not right:
        left = [key for key in left if not _is_repetition(key, other)]
    if not left:
        right = [key for key in right if not _is_repetition(key, one)]
    return ([], []) if _joined(left) & _joined(right) else (left, right)


def _is_repetition(key: str, other: Wording) -> bool:
    """Tell whether a word that stands more often in one text may be said twice there; a number or a `not` is none of those."""
    return key in other.counts and not key.startswith("#") and key not in other.vocabulary.scoped and key != other.vocabulary.negation


def _joined(keys: Sequence[str]) -> set[str]:
    """Return words written as one: `time out` as `timeout`, and both orders of a verb that is split, as in German."""
    return {"".join(order).replace(" ", "") for order in (keys, keys[::-1] if len(keys) == 2 else keys) if keys}


def reordered(one: Wording, other: Wording) -> Iterator[str]:
    """Yield why the words that two texts share don't say the same: exclusive function words, exchanged roles, moved modifiers."""
    yield from _exclusive(one, other)
    for key in sorted({*_other_scopes(one, other), *_other_scopes(other, one)}):
        yield f"{'negation' if key == one.vocabulary.negation else 'scope'}: of {key}"
    if _other_prepositions(one, other):
        yield "preposition"
    if _acts_elsewhere(one, other) or _exchanged_links(one, other):
        yield "role"
    elif one.keys != other.keys and any(check(*pair) for check in _ORDERS for pair in ((one, other), (other, one))):
        yield "order of words"


def _more(one: Wording, other: Wording) -> list[str]:
    surplus = one.counts - other.counts
    return [key for key in dict.fromkeys(one.keys) if key in surplus]


def _exclusive(one: Wording, other: Wording) -> Iterator[str]:
    """Yield kinds of which each text has a value that the other lacks: `must` and `may`, `and` and `or`."""
    for kind in one.kinds.keys() & other.kinds.keys():
        left, right = one.kinds[kind] - other.kinds[kind], other.kinds[kind] - one.kinds[kind]
        if left and right:
            yield f"{kind}: {', '.join(sorted(left))} ≠ {', '.join(sorted(right))}"


def _other_scopes(one: Wording, other: Wording) -> Iterator[str]:
    """Yield words such as `only` that concern something else in the other text."""
    theirs = [(key, concerned) for key, concerned in other.scopes() if concerned]
    for key, mine in one.scopes():
        found = [concerned for name, concerned in theirs if name == key]
        if mine and found and not any(mine & concerned for concerned in found):
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


def _acts_elsewhere(one: Wording, other: Wording) -> bool:
    """Tell whether only one text is passive and yet whoever acts stands where it stood: `A calls B`, `A is called by B`."""
    if one.passive == other.passive:
        return False
    shared = _shared(one, other)
    agents = (place for place, (word, _, there) in enumerate(shared) if (word.link == "by") != (there.link == "by"))
    return any(not _inverted(shared, place) for place in agents)


def _exchanged_links(one: Wording, other: Wording) -> bool:
    """Tell whether two words have exchanged their prepositions: `from A to B`, `from B to A`."""
    shared = _shared(one, other)
    links = {(word.link, there.link) for word, _, there in shared if word.link != there.link}
    phrases = {(word.phrase, there.phrase) for word, _, there in shared if word.phrase != there.phrase}
    return any(pair[::-1] in exchanged for exchanged in (links, phrases) for pair in exchanged)


def _is_reversed(one: Wording, other: Wording) -> bool:
    """Tell whether the order is reversed: `A calls B`, `B calls A`. Whole clauses may change places, and a change of voice reverses one."""
    shared = _marked_by_order(one, other)
    voices_differ = one.passive != other.passive
    if len({word.clause for word, _, _ in shared}) != len({there.clause for _, _, there in shared}):
        return not voices_differ and _descends_twice([place for _, place, _ in shared])
    clauses: dict[tuple[int, int], list[int]] = {}
    for word, place, there in shared:
        clauses.setdefault((word.clause, there.clause), []).append(place)
    return _are_mixed(clauses) or (not voices_differ and any(map(_descends_twice, clauses.values())))


def _are_mixed(clauses: Iterable[tuple[int, int]]) -> bool:
    """Tell whether a clause has parts of two clauses of the other text, each of which stands in two: `A uses 3, B 5`, `A uses 5, B 3`."""
    pairs = set(clauses)
    mine, theirs = Counter(clause for clause, _ in pairs), Counter(clause for _, clause in pairs)
    return any(mine[clause] > 1 and theirs[there] > 1 for clause, there in pairs)


def _marked_by_order(one: Wording, other: Wording) -> list[tuple[Word, int, Word]]:
    """Return the shared words but those of a phrase whose preposition stands once in both texts: it may stand anywhere."""
    counts = Counter(word.link for word in one.words) + Counter(word.link for word in other.words)
    free = {link for link, count in counts.items() if link and count == 2}
    return [
        (word, place, there)
        for word, place, there in _shared(one, other)
        if not (word.is_free and there.is_free) and (word.phrase != there.phrase or word.phrase not in free)
    ]


def _shared(one: Wording, other: Wording) -> list[tuple[Word, int, Word]]:
    """Return the words that stand once in both texts, in the order of the first, each with its place in the other."""
    places = {word.key: place for place, word in enumerate(other.words) if other.counts[word.key] == 1}
    mine = (word for word in one.words if one.counts[word.key] == 1 and word.key in places)
    return [(word, places[word.key], other.words[places[word.key]]) for word in mine]


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


def _inverted(shared: Sequence[tuple[Word, int, Word]], place: int) -> bool:
    """Tell whether a word stands on the other side of some word in the other text."""
    mine = shared[place][1]
    return any((there > mine) != (index > place) for index, (_, there, _) in enumerate(shared) if index != place)


def _has_moved_modifier(one: Wording, other: Wording) -> bool:
    """Tell whether a modifier has gone to another word. A change of voice moves words too."""
    if one.passive != other.passive:
        return False
    shared = _marked_by_order(one, other)
    staying = _longest_ascent([place for _, place, _ in shared])
    ranks = {place: rank for rank, place in enumerate(sorted(place for _, place, _ in shared))}
    common = {word.key for word, _, _ in shared}
    following = [{key: after for key, after in _following(each).items() if after in common} for each in (one, other)]
    return any(
        rank not in staying
        and abs(rank - ranks[place]) >= MIN_CROSSED
        and not (word.link or there.link)
        and not word.is_adverb
        and word.key in following[0]
        and word.key in following[1]
        and following[0][word.key] != following[1][word.key]
        for rank, (word, place, there) in enumerate(shared)
    )


def _following(wording: Wording) -> dict[str, str]:
    return {word.key: after.key for word, after in pairwise(wording.words) if word.attached}


def _neighbours_swapped(one: Wording, other: Wording) -> bool:
    """Tell whether a word and the one that it belongs to change places: `test user`, `user test`. An adverb may."""
    if one.passive != other.passive or one.vocabulary.language not in SWAPPING_LANGUAGES:
        return False
    mine, theirs = _neighbours(one), _neighbours(other)
    return any(pair[::-1] in theirs and pair not in theirs for pair in mine)


def _neighbours(wording: Wording) -> set[tuple[str, str]]:
    return {(word.key, after.key) for word, after in pairwise(wording.words) if word.attached and not (word.is_adverb or after.is_adverb)}


_ORDERS = (_is_reversed, _has_moved_modifier, _neighbours_swapped)


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
