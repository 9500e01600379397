"""Compare the order of the clauses of two texts: which may change places, and which keep the neighbours that they had.

Sentences of three or more words may move, and in a sentence its one subordinate clause. What commas, colons, brackets or lines part is a
list or a row of steps, whose order says something.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby

from app.likeness.wording import Pair, Word, Wording

MIN_MOVING = 3
"""Words of a sentence that may move: shorter ones are labels and values, as in `Keep: the cache. Delete: the index.`"""


def are_rearranged(one: Wording, other: Wording, bound: Sequence[Pair]) -> bool:
    """Tell whether a clause stands elsewhere that may not move. `bound`: words that stand once in both texts, in the first's order."""
    sentences = sorted({(mine.sentence, theirs.sentence) for mine, theirs in bound})
    return (
        are_mixed(sentences)
        or _moves_short(one, other, sentences)
        or _deals_otherwise(one, other, sentences)
        or _reorders_list(one, other, [*bound, *_repeated(one, other)])
    )


def are_mixed(sentences: Sequence[tuple[int, int]]) -> bool:
    """Tell whether a sentence has parts of two of the other text, each of which stands in two: `A uses 3. B 5.`, `A uses 5. B 3.`"""
    mine, theirs = Counter(place for place, _ in sentences), Counter(place for _, place in sentences)
    return any(mine[place] > 1 and theirs[there] > 1 for place, there in sentences)


def _moves_short(one: Wording, other: Wording, sentences: Sequence[tuple[int, int]]) -> bool:
    """Tell whether a sentence of one or two words has other sentences before it than it had."""
    if len(sentences) < 2:
        return False
    lengths = Counter(word.sentence for word in one.words), Counter(word.sentence for word in other.words)
    places = [there for _, there in sentences]
    before = accumulate(places, max)
    after = reversed(list(accumulate(reversed(places), min)))
    return any(
        (highest > there or lowest < there) and min(lengths[0][mine], lengths[1][there]) < MIN_MOVING
        for (mine, there), highest, lowest in zip(sentences, before, after, strict=True)
    )


def _deals_otherwise(one: Wording, other: Wording, sentences: Sequence[tuple[int, int]]) -> bool:
    """Tell whether words that stand twice are dealt to other sentences: `A: 3. B: 5. C: 3. D: 5.`, `A: 3. B: 3. C: 5. D: 5.`"""
    if len(sentences) < 2 or not len(sentences) == len({mine for mine, _ in sentences}) == len({there for _, there in sentences}):
        return False
    repeated = {key for key, count in one.counts.items() if count > 1 and other.counts[key] == count}
    mine, theirs = _dealt(one, repeated), _dealt(other, repeated)
    return any(mine[place] != theirs[there] for place, there in sentences)


def _dealt(wording: Wording, keys: set[str]) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for word in wording.words:
        if word.key in keys:
            found[word.sentence][word.key] += 1
    return found


def _repeated(one: Wording, other: Wording) -> Iterator[Pair]:
    """Yield words that stand equally often in both texts, but not once: the first with the first, the second with the second."""
    if any(word.subordinate for word in (*one.words, *other.words)):
        return
    mine, theirs = _by_key(one), _by_key(other)
    for key, words in mine.items():
        if len(words) == len(theirs.get(key, ())) > 1:
            yield from zip(words, theirs[key], strict=True)


def _by_key(wording: Wording) -> dict[str, list[Word]]:
    found: dict[str, list[Word]] = defaultdict(list)
    for word in wording.words:
        found[word.key].append(word)
    return found


def _reorders_list(one: Wording, other: Wording, pairs: Iterable[Pair]) -> bool:
    """Tell whether a clause comes before one that it stood behind, in the same sentence of either text."""
    single = _single_subordinates(one), _single_subordinates(other)
    bound = [
        (mine, theirs)
        for mine, theirs in sorted(pairs, key=lambda pair: pair[0].clause)
        if not (mine.subordinate and theirs.subordinate and mine.sentence in single[0] and theirs.sentence in single[1])
    ]
    highest: dict[tuple[str, int], int] = {}
    for _, group in groupby(bound, key=lambda pair: pair[0].clause):
        clause = [(place, theirs.clause) for mine, theirs in group for place in (("mine", mine.sentence), ("theirs", theirs.sentence))]
        if any(highest.get(place, -1) > there for place, there in clause):
            return True
        for place, there in clause:
            highest[place] = max(highest.get(place, -1), there)
    return False


def _single_subordinates(wording: Wording) -> set[int]:
    """Return the sentences that have one subordinate clause."""
    clauses = {(word.sentence, word.clause) for word in wording.words if word.subordinate}
    return {sentence for sentence, count in Counter(sentence for sentence, _ in clauses).items() if count == 1}
