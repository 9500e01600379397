"""Judges whether two statements contradict each other. Precision before recall: each one costs a person's attention.

They do only where two sentences say the same of one matter but for a value of which only one can hold, or but for a `not`; neither asks,
plans, reports or lists; both name the same environments, and neither item narrows what its sentence holds for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.knowledge.contradiction.hedges import is_limited, is_rule
from app.knowledge.contradiction.slots import PLACEHOLDER, Slot, slots_in
from app.knowledge.contradiction.values import exclude_each_other
from app.knowledge.subjects.naming import subjects_of
from app.knowledge.supersession.statements import read
from app.knowledge.supersession.words import MAX_CHARS, MAX_SENTENCE_CHARS, content_words, holds, scopes, sentences, shared
from app.likeness import differing, differs
from app.likeness.contrast import own_words, wordings

MAX_SENTENCES = 30
"""Rules of an item that are read, the first: one with more is a document."""
MAX_READ_CHARS, MAX_RULE_PAIRS = 100_000, 2_000
"""Characters that are read and pairs of rules that are compared for one item: each about a second of work, in one transaction."""
MIN_MATTER, MIN_MATTER_OF_NAME = 2, 1
"""Words with a meaning that two sentences share beside the value."""
MIN_COMMON = 0.5
"""Share of a sentence's content words that the other has, below which the two are not compared closely."""

_LETTER = re.compile(r"(?<!^)(?<![\w.'’-])[A-Z](?![\w'’-])")
"""A name of one letter, as in `Shop A`, which no content word is."""
_CODE_BLOCK = re.compile(r"```[\s\S]*?(?:```|\Z)|^(?: {4}|\t).*$", re.MULTILINE)
_ALWAYS = frozenset({"always", "immer", "toujours", "siempre", "sempre"})


@dataclass(frozen=True, slots=True)
class TitledText:
    """An item's words, as they are compared."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ConflictingWords:
    """Two sentences that can't both hold, each with its value; that of a `not` is the whole sentence."""

    words: str
    other_words: str
    value: str
    other_value: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence that says what holds, with its values and the other words, which tell what it is about."""

    sentence: str
    slots: tuple[Slot, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """An item as it was read. `context`: words of the title that its text doesn't have, so that they tell what the text is about."""

    rules: tuple[Rule, ...]
    sentences: tuple[str, ...]
    words: tuple[str, ...]
    context: tuple[str, ...]
    subjects: frozenset[str]


def contradiction_of(one: TitledText, other: TitledText) -> ConflictingWords | None:
    """Return the first two sentences of two items that can't both hold; None if all can."""
    mine, theirs = _read(one), _read(other)
    for rule in mine.rules:
        for against in theirs.rules:
            found = _conflict(rule, against)
            if found is not None and _is_of_one_scope((mine, rule), (theirs, against), found):
                return found
    return None


def contradictions_between(pairs: Iterable[tuple[TitledText, TitledText]]) -> Iterator[ConflictingWords | None]:
    """Yield what `contradiction_of` returns for each pair, in turn, until MAX_READ_CHARS or MAX_RULE_PAIRS are used up."""
    read: set[TitledText] = set()
    chars = compared = 0
    for one, other in pairs:
        chars += sum(len(each.text) for each in {one, other} - read)
        read |= {one, other}
        if chars > MAX_READ_CHARS:
            return
        compared += len(rules_of(one)) * len(rules_of(other))
        if compared > MAX_RULE_PAIRS:
            return
        yield contradiction_of(one, other)


def rules_of(statement: TitledText) -> tuple[Rule, ...]:
    """Return the sentences of an item that another one could contradict."""
    return _read(statement).rules


@lru_cache(maxsize=512)  # one item is compared with many
def _read(statement: TitledText) -> _Reading:
    title = statement.title.rstrip("… .")
    said = tuple(sentence for sentence, _ in sentences(_CODE_BLOCK.sub("\n", statement.text[:MAX_CHARS])))
    words = tuple(content_words(statement.text[:MAX_CHARS]))
    is_title_said = statement.title.endswith("…") or all(holds(words, word) for word in content_words(title))
    if not said:
        said = tuple(sentence for sentence, _ in sentences(title))
    changed = {each.sentence for each in read(statement.text).changes}
    rules = [_rule(each) for each in said if len(each) <= MAX_SENTENCE_CHARS and each not in changed and is_rule(each)]
    context = () if is_title_said else tuple(word for word in content_words(title) if not holds(words, word))
    context += tuple(letter for letter in _LETTER.findall(statement.title) if letter not in _LETTER.findall(statement.text))
    subjects = frozenset(each.name for each in subjects_of(statement.title, statement.text))
    known = (*words, *content_words(title), *_LETTER.findall(f"{statement.title} {statement.text}"))
    return _Reading(tuple(rules[:MAX_SENTENCES]), said, known, context, subjects)


def _rule(sentence: str) -> Rule:
    slots = tuple(slots_in(sentence))
    values = {word for slot in slots for word in content_words(slot.written)}
    return Rule(sentence, slots, tuple(word for word in content_words(sentence) if word not in values))


def _conflict(rule: Rule, against: Rule) -> ConflictingWords | None:
    if shared(rule.words, against.words) < MIN_COMMON and shared(against.words, rule.words) < MIN_COMMON:
        return None
    return next(_of_values(rule, against), None) or _of_negation(rule, against)


def _of_values(rule: Rule, against: Rule) -> Iterator[ConflictingWords]:
    for mine in rule.slots:
        for theirs in against.slots:
            if (mine.kind, mine.group) == (theirs.kind, theirs.group) and _excludes(mine, theirs) and _is_same_matter(mine, theirs):
                yield ConflictingWords(rule.sentence, against.sentence, mine.written, theirs.written)


def _excludes(mine: Slot, theirs: Slot) -> bool:
    return mine.value != theirs.value and _measure(mine) == _measure(theirs) and exclude_each_other(mine.value, theirs.value)


def _measure(slot: Slot) -> str:
    return slot.value.partition(" ")[2] if slot.kind == "amount" else ""


def _is_same_matter(mine: Slot, theirs: Slot) -> bool:
    least = MIN_MATTER_OF_NAME if mine.kind == "name" else MIN_MATTER
    one, other = wordings(mine.matter, theirs.matter)
    common = (one.counts & other.counts).keys() - {PLACEHOLDER}
    return len(common) >= least and not differs(mine.matter, theirs.matter)


def _of_negation(rule: Rule, against: Rule) -> ConflictingWords | None:
    """Return a conflict if all that differs is a `not`, or `never` for `always`."""
    reasons = differing(rule.sentence, against.sentence)
    is_denied = any(each.startswith("negation: ") and "∅" in each for each in reasons)
    if not is_denied or not all(each.startswith(("negation: ", "antonym: never ", "antonym: always ")) for each in reasons):
        return None
    one, other = wordings(rule.sentence, against.sentence)
    common, own = one.counts & other.counts, {word for words in own_words(one, other) for word in words}
    if len(common.keys() - one.vocabulary.negation) < MIN_MATTER or own - one.vocabulary.negation - _ALWAYS:
        return None
    return ConflictingWords(rule.sentence, against.sentence, rule.sentence, against.sentence)


def _is_of_one_scope(one: tuple[_Reading, Rule], other: tuple[_Reading, Rule], found: ConflictingWords) -> bool:
    """Tell whether two items speak of the same environments and things, and neither says that it holds in some cases only."""
    (mine, rule), (theirs, against) = one, other
    beside = [*_others(mine.sentences, rule), *_others(theirs.sentences, against)]
    if any(map(is_limited, beside)) or _scopes(mine, found.value) != _scopes(theirs, found.other_value):
        return False
    if not (_holds_all(theirs.words, mine.context) and _holds_all(mine.words, theirs.context)):
        return False
    values = {word for value in (found.value, found.other_value) for word in content_words(value)}
    left, right = (each - values for each in (mine.subjects - theirs.subjects, theirs.subjects - mine.subjects))
    return not (left and right)


def _others(said: Sequence[str], rule: Rule) -> Iterator[str]:
    return (each for each in said if each != rule.sentence)


def _scopes(reading: _Reading, value: str) -> frozenset[str]:
    return scopes(" ".join((*reading.sentences, *reading.context)).replace(value, " "))


def _holds_all(words: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(holds(words, each) for each in wanted)
