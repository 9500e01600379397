"""Tell how a text turns round what its source says. It may leave out, join and reword; it may not deny, affirm, permit or exchange.

Unlike the comparison of two equals (`differing`), this one has a direction: each clause of the text is held against the clauses of the
source that its words come from, each of its sentences against the nearest one. Of what it can't follow it says that it is turned round.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from app.likeness.claims import extract_claims
from app.likeness.clause_order import are_mixed
from app.likeness.contrast import reordered
from app.likeness.opposition import Members, opposed
from app.likeness.tokenization import language_of
from app.likeness.word_order import FIXED_ORDER
from app.likeness.wording import MAX_CONCERNED, Word, Wording, wording_of

MIN_SHARE = 0.5
"""Share of a clause's words that a clause of the source has, from which on it says the same matter."""
WHOLE: Final = 0.9
"""Share of the source's words from which on a text is all of it, so that it denies as often: which clause lost a "not" may be unclear."""
_DENYING = frozenset(
    [
        "without",
        "nobody",
        "nothing",
        "none",
        "neither",
        "nor",
        "unable",
        "unless",
        "except",
        "hardly",
        "ohne",
        "niemand",
        "nichts",
        "weder",
        "außer",
        "sans",
        "personne",
        "rien",
        "sauf",
        "aucun",
        "sin",
        "nadie",
        "nada",
        "salvo",
        "sem",
        "ninguém",
        "exceto",
        "selten",
        "kaum",
        "unmöglich",
        "rarement",
        "impossible",
        "raramente",
        "imposible",
        "impossível",
    ]
)
"""Words that deny beside those of a language's `negation`, and those that make an exception."""
_DENIED_IN_OTHER_WORDS = re.compile(
    r"\bnever,[^.,;!?\n]{1,40},"
    r"|\b(?:(?:fail(?:s|ed|ing)?|ceas(?:es?|ed|ing)|refus(?:es?|ed|ing)|neglect(?:s|ed|ing)?|impossible|wrong|(?:bad|terrible) idea) to"
    r"|(?:we|they|it|i|you|he|she|there) used to|(?:stop(?:s|ped)?|quit|gave up|give up) (?=\w+ing\b)"
    r"|doubt(?:s|ed|ful)? (?:that |whether |if )?|rarely|seldom|scarcely|barely)\b ?",
    re.IGNORECASE,
)
"""English phrases that say `not` without a word for it; without them a text may say the opposite in words of its source alone."""
_BOUNDS = ("at most", "at least", "some", "every", "höchstens", "mindestens", "jeder", "至多", "至少")
"""Words that say how much a text is true of: one that its source lacks is no rewording."""
_TURNING = ("modality:", "conjunction:", "place:", "scope:", "preposition", "role", "order of words")
"""Differences that turn a sentence round. Another tense or person, as in a summary, doesn't; negations are compared by clause."""
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+|(?<=[。；！？])")
_PART = re.compile(r"(?<=[.,;:!?])\s+|\n+|(?<=[。，；！？])|\s+(?=(?:and|or|but|und|oder|aber|et|ou|mais|y|o|pero|e|mas)\s)")


@dataclass(frozen=True, slots=True)
class _Clause:
    """The words of a clause, and what each of its negations concerns: the keys of words in order, none for a `nobody` alone."""

    words: tuple[Word, ...]
    keys: frozenset[str]
    negations: tuple[tuple[str, ...], ...]

    def denies(self, key: str) -> bool:
        return any(key in concerned for concerned in self.negations)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A word of the text, and the clauses of the source that it comes from: those that share the most words with its own clause."""

    word: Word
    clause: _Clause
    sources: tuple[_Clause, ...]


def unfaithful(text: str, source: str, *, heading: bool = False) -> tuple[str, ...]:
    """Return how a text turns round what its source says, such as `negation: deploy gateway`; empty if it doesn't.

    `heading`: it is a title, which may name a matter without what is said of it, but not say the opposite.
    """
    language = language_of(text, source)
    if language == "en":
        text, source = (_DENIED_IN_OTHER_WORDS.sub("not ", each) for each in (text, source))
    said, there = wording_of(text, language), wording_of(source, language)
    reasons = [*_negations(said, there, heading=heading), *_sentences(text, source, language, heading=heading), *_opposites(text, source)]
    bounds = {*_BOUNDS, *map(said.vocabulary.base, _BOUNDS)}
    reasons += [f"scope: {key}" for key in said.counts if key in bounds and key not in there.counts]
    if _deals_otherwise(said, there):
        reasons.append("order of words")
    return tuple(dict.fromkeys(reasons))


def sentences(text: str) -> list[str]:
    """Split a text into its sentences and lines."""
    return [each for each in map(str.strip, _SENTENCE.split(text)) if each]


def _negations(said: Wording, there: Wording, *, heading: bool) -> Iterator[str]:
    mine, theirs = _clauses(said), _clauses(there)
    taken = [taken for clause in mine for taken in _taken(clause, theirs)]
    for clause in mine:
        yield from _gained(clause, [each for each in taken if each.clause is clause])
    if not heading:
        yield from _lost(mine, theirs)
        if len(said.words) >= WHOLE * len(there.words) and _count(mine) != _count(theirs):
            yield "negation: of the whole"
    yield from _moved(taken, within=MAX_CONCERNED, heading=heading)
    if said.vocabulary.language in FIXED_ORDER:  # elsewhere a modal verb may stand far from its verb
        yield from (f"modality: {each.word.key}" for each in taken if _is_permitted(each, said.vocabulary.obligations))


def _count(clauses: Sequence[_Clause]) -> int:
    return sum(len(each.negations) for each in clauses)


def _clauses(wording: Wording) -> list[_Clause]:
    denying = wording.vocabulary.negation.union(_DENYING, map(wording.vocabulary.base, _DENYING))

    def denies(word: Word) -> bool:
        return word.denies or word.key in denying

    concerned: dict[int, list[tuple[str, ...]]] = {}
    for word, keys in wording.concerned(denies):
        concerned.setdefault(word.clause, []).append(tuple(key for key in keys if key not in denying))
    made = []
    for number, group in groupby(wording.words, key=lambda each: each.clause):
        words = tuple(each for each in group if not denies(each))
        made.append(_Clause(words, frozenset(each.key for each in words), tuple(concerned.get(number, ()))))
    return made


def _taken(clause: _Clause, theirs: Sequence[_Clause]) -> Iterator[_Taken]:
    for word in clause.words:
        if having := [each for each in theirs if word.key in each.keys]:
            yield _Taken(word, clause, tuple(_nearest(clause, having)))


def _nearest(clause: _Clause, theirs: Sequence[_Clause]) -> Iterator[_Clause]:
    most = max((len(clause.keys & each.keys) for each in theirs), default=0)
    return (each for each in theirs if len(clause.keys & each.keys) == most)


def _gained(clause: _Clause, taken: Sequence[_Taken]) -> Iterator[str]:
    """Yield a clause that denies more often than those that it comes from, or other words."""
    sources = {id(source): source for each in taken for source in each.sources}.values()
    if clause.keys and len(clause.negations) > sum(len(each.negations) for each in sources):
        yield f"negation: {' '.join(sorted(clause.keys))}"
    for concerned in clause.negations:
        known = [each for each in taken if each.word.key in concerned]
        if known and not any(source.denies(each.word.key) for each in known for source in each.sources):
            yield f"negation: {' '.join(sorted(concerned))}"


def _lost(mine: Sequence[_Clause], theirs: Sequence[_Clause]) -> Iterator[str]:
    """Yield clauses that affirm what every clause of the source that is as near denies. The clause beside it may have that negation."""
    covered = {id(each) for clause in mine if clause.negations for each in _nearest(clause, theirs)}
    for clause in mine:
        nearest = list(_nearest(clause, theirs))
        same = bool(nearest and clause.keys) and len(clause.keys & nearest[0].keys) >= MIN_SHARE * len(clause.keys)
        if same and not clause.negations and all(each.negations and id(each) not in covered for each in nearest):
            yield f"negation: {' '.join(sorted(clause.keys))}"


def _moved(taken: Sequence[_Taken], *, within: int, heading: bool = False) -> Iterator[str]:
    """Yield negations of the source that the text doesn't have, though it has one of the first words `within` those that they concern."""
    sources = {id(source): source for each in taken for source in each.sources}.values()
    for negation in dict.fromkeys(concerned for each in sources for concerned in each.negations):
        touched = [each for each in taken if all(negation in source.negations for source in each.sources)]
        if heading:
            touched = [each for each in touched if any(source.keys <= each.clause.keys for source in each.sources)]
        first = next((key for key in negation[:within] if any(each.word.key == key for each in touched)), None)
        if first and not any(each.clause.denies(first) for each in touched if each.word.key == first):
            yield f"negation: {' '.join(negation)}"


def _is_permitted(taken: _Taken, obligations: Collection[str]) -> bool:
    """Tell whether a word may be where it must be, or is where it may be. A command, and what is, may stand for what must be."""
    mine = _modality(taken.word)
    theirs = {_modality(word) for source in taken.sources for word in source.words if word.key == taken.word.key}
    if mine:
        return mine not in theirs and "" not in theirs
    return not taken.word.opens and theirs.isdisjoint({"", *obligations})


def _modality(word: Word) -> str:
    return next((value for kind, value in word.kinds if kind == "modality"), "")


def _sentences(text: str, source: str, language: str, *, heading: bool) -> Iterator[str]:
    """Yield what differs between each sentence, or part of one, and the nearest of the source; of equally near ones, the most alike."""
    parts = [wording_of(each, language) for each in _parts(source)]
    theirs = [*parts, *(wording_of(each, language) for each in sentences(source))]
    said = {*sentences(source), *_parts(source)}
    for part in dict.fromkeys(each for each in (*sentences(text), *_parts(text)) if each not in said):
        mine = wording_of(part, language)
        most = max((_common(mine, each) for each in theirs), default=0)
        if most:
            yield from min((_turned(mine, each, heading=heading) for each in theirs if _common(mine, each) == most), key=len)
            if _has_other_subject(mine, parts):
                yield "role"


def _parts(text: str) -> list[str]:
    return [each for each in map(str.strip, _PART.split(text)) if each]


def _common(one: Wording, other: Wording) -> int:
    return len(one.counts.keys() & other.counts.keys())


def _turned(mine: Wording, theirs: Wording, *, heading: bool) -> list[str]:
    """Return the differences of two sentences. Where one has several clauses, a passive of another clause is no change of voice."""
    if max(mine.words[-1].clause, theirs.words[-1].clause):
        theirs = replace(theirs, passive=mine.passive)
    found = [each for each in reordered(mine, theirs) if each.startswith(_TURNING)]
    taken = [each for clause in _clauses(mine) for each in _taken(clause, _clauses(theirs))]
    return found if heading else [*found, *_moved(taken, within=1)]


def _has_other_subject(mine: Wording, parts: Sequence[Wording]) -> bool:
    """Tell whether a sentence says of one thing all that a part of the source says of another: `A is slow. B is fast.`, `A is fast.`"""
    subject, said = mine.words[0].key, {key for key in mine.counts if any(key in each.counts for each in parts)}
    nearest = [each for each in parts if said - {subject} <= each.counts.keys()]
    return (
        subject in said
        and len(said) > 1
        and bool(nearest)
        and all(subject not in each.counts and each.words[0].key not in said for each in nearest)
    )


def _opposites(text: str, source: str) -> Iterator[str]:
    """Yield opposites that are exchanged, also where the text names one of two: `enable it by default` of `disable it by default`."""
    mine, theirs = extract_claims(text).opposites, extract_claims(source).opposites
    yield from opposed(mine, theirs)
    for group in mine.keys() & theirs.keys():
        yield from (f"order: of {member}" for member in mine[group] if _stands_for_other(member, mine[group], theirs[group]))


def _stands_for_other(member: str, mine: Members, theirs: Members) -> bool:
    following = mine[member] - theirs.get(member, frozenset()) - {""}
    return any(following & words for other, words in theirs.items() if other != member)


def _deals_otherwise(said: Wording, there: Wording) -> bool:
    """Tell whether two clauses have exchanged what two sentences say: `A uses 3. B uses 5.`, `A uses 5, B uses 3.`"""
    theirs = {word.key: word.sentence for word in there.words if there.counts[word.key] == 1}
    shared = (word for word in said.words if said.counts[word.key] == 1 and word.key in theirs)
    return are_mixed(sorted({(word.clause, theirs[word.key]) for word in shared}))
