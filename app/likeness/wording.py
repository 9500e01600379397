"""Read a text as the sequence of its words with a meaning: in base form, synonyms as one, each with its preposition and its clause.

Knows one text and its language's vocabulary; what two texts' words have in common, `contrast` decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from app.likeness.claims import UNITS
from app.likeness.negation import negation_at
from app.likeness.numerals import number_at
from app.likeness.remembering import remembered
from app.likeness.tokenization import TextToken, tokens
from app.likeness.vocabulary import Entry, Phrases, Vocabulary, vocabulary

_ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_WORD = Entry("same")
_NOTHING: frozenset[tuple[str, str]] = frozenset()
_NO_SUBJECTS = frozenset({"conjunction", "possession"})
"""Kinds of light words behind which `only` doesn't concern a whole predicate."""
MAX_CONCERNED = 12
"""Words behind one such as `only` among which those are that it may concern."""
PARTICIPLE_WITHIN = 3
"""Words behind an auxiliary among which its participle stands."""


class Word(NamedTuple):  # as TextToken
    """A word with a meaning. `link`: the class of its preposition; `attached`: it follows the word before at once."""

    key: str
    clause: int
    sentence: int
    subordinate: bool
    """A conjunction opened its clause."""
    link: str
    attached: bool
    is_adverb: bool
    is_free: bool
    """An adverbial of several words, such as `every night`: it may stand anywhere."""
    wide: bool
    """The scope of `only` is all that follows: `we only deploy on Fridays`."""
    phrase: str
    """The preposition of the phrase that it belongs to: `before` for `deploy` in `before every deploy`."""
    kinds: frozenset[tuple[str, str]]
    """(kind, value) of the light words right before it, such as ("possession", "my")."""
    first_line: bool
    place: int
    opens: bool
    """It is the first word of what is said: a command, if it is a verb."""
    form: Literal["", "past", "participle"]
    """`participle`: behind an auxiliary."""
    denies: bool
    """It is written with a negation, though its key may not tell: `does not work` is `fails`."""


Pair = tuple[Word, Word]
"""A word of one text with the same word of the other."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one text that carry its meaning."""

    vocabulary: Vocabulary
    words: Sequence[Word]
    kinds: Mapping[str, Counter[str]]
    """Kind of light words → how often the text has each value of it: {"modality": {"must": 1}}."""
    passive: bool
    keys: tuple[str, ...] = field(init=False)
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(word.key for word in self.words))
        object.__setattr__(self, "counts", Counter(self.keys))

    def scopes(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield each word such as `only` with those that it may concern: the next, or at the end of a clause the one before."""
        return ((word.key, frozenset(keys)) for word, keys in self.concerned(lambda each: each.key in self.vocabulary.scoped))

    def concerned(self, by: Callable[[Word], bool]) -> Iterator[tuple[Word, Sequence[str]]]:
        """Yield each of these words with the keys of those that it may concern, in order."""
        return ((word, self._concerned(place, word)) for place, word in enumerate(self.words) if by(word))

    def _concerned(self, place: int, word: Word) -> Sequence[str]:
        following = [each.key for each in self.words[place + 1 : place + 1 + MAX_CONCERNED] if each.clause == word.clause]
        if following:
            return following if word.wide else following[: self.vocabulary.negated if word.key in self.vocabulary.negation else 1]
        return [each.key for each in self.words[place - 1 : place] if each.clause == word.clause]


@remembered
def wording_of(text: str, language: str) -> Wording:
    """Read a text in a language. A first line that the rest repeats, as a title does, is left out."""
    reading = _Reading(vocabulary(language), tokens(text))
    words, kinds = reading.read()
    title, body = [word for word in words if word.first_line], [word for word in words if not word.first_line]
    return Wording(vocabulary(language), body if body and _is_repeated(title, body) else words, kinds, reading.is_passive())


def _is_repeated(title: Sequence[Word], body: Sequence[Word]) -> bool:
    """Tell whether a text says again what its title says, in the same order but for a subject: `reader.py: opens the file in text mode`."""
    remaining, said = iter(word.key for word in body), {word.key for word in body}
    subject = title[0].clause if title and title[0].clause != title[-1].clause else None
    return all(word.key in (said if word.clause == subject else remaining) for word in title)


class _Reading:
    """One pass over a text's tokens."""

    def __init__(self, lists: Vocabulary, written: Sequence[TextToken]) -> None:
        self._lists = lists
        self._tokens = written
        self._texts = [token.text for token in written]
        self._bases = [lists.base(text) for text in self._texts]
        self._words: list[Word] = []
        self._kinds: dict[int, tuple[str, str]] = {}
        self._modals: set[int] = set()
        self._opening = 0
        self._pending: set[tuple[str, str]] = set()
        self._link = ""
        self._opened = 0
        self._subordinate = -1
        self._previous = _WORD

    def read(self) -> tuple[list[Word], dict[str, Counter[str]]]:
        place = 0
        while place < len(self._tokens):
            if self._tokens[place].starts:
                self._opening = place
            place += self._phrase(place) or self._number(place) or self._plain(place)
        kinds: dict[str, Counter[str]] = {}
        for kind, value in self._kinds.values():
            kinds.setdefault(kind, Counter())[value] += 1
        if "time" not in kinds:
            kinds["time"] = Counter({self._lists.present: 1})
        return self._words, kinds

    def is_passive(self) -> bool:
        """Tell whether an auxiliary stands shortly before a participle that says something: `is logged`, not `is allowed to`."""
        lists, said = self._lists, {word.place for word in self._words}
        return any(
            not lists.participles
            or any(
                self._texts[after].endswith(lists.participles) and after in said
                for after in range(place, min(len(self._texts), place + PARTICIPLE_WITHIN))
            )
            for place, text in enumerate(self._texts, start=1)
            if text in lists.auxiliaries
        )

    def _phrase(self, place: int) -> int:
        """Read the longest phrase of the lists here; return the number of its tokens."""
        length, entry = _longest(self._lists.written, self._texts, place)
        if entry is not None and entry.role in {"framing", "opener"} and not self._frames(entry, place, length):
            length, entry = 0, None
        by_base = _longest(self._lists.inflected, self._bases, place)
        if by_base[0] > length:
            length, entry = by_base
        if entry is None:
            return 0
        match entry.role:
            case "kind":
                if place not in self._modals:
                    self._note(place, entry.kind, entry.value)
            case "link":
                self._link = self._link or entry.value  # `from inside the house`
            case "same":
                self._add(entry.value, place, length)
            case "framing" | "opener":
                self._opening = place + length
            case "light":
                pass
        self._previous = entry
        return length

    def _note(self, place: int, kind: str, value: str) -> None:
        self._kinds[place] = (kind, value)
        self._pending.add((kind, value))

    def _negate(self, place: int, length: int) -> None:
        """Read what a negation denies; its modal verb says nothing else."""
        found = negation_at(self._lists.negations, self._tokens, place, length, min(self._opening, place))
        self._modals.add(found.modal)
        self._pending.discard(self._kinds.pop(found.modal, ("", "")))
        if found.value:
            self._note(place, "negation", found.value)

    def _frames(self, entry: Entry, place: int, length: int) -> bool:
        """Tell whether a phrase stands before what is said: a single word alone in its clause (`Note: …`), an opener first (`No, …`)."""
        token, after = self._tokens[place], self._tokens[place + length : place + length + 1]
        if entry.role == "opener":
            return token.opens_line and bool(after) and after[0].clause != token.clause and after[0].line == token.line
        is_alone = not after or after[0].clause != token.clause
        return token.starts and (is_alone or length > 1)

    def _number(self, place: int) -> int:
        """Read a number with its unit, or an ordinal; return the number of its tokens."""
        if (ordinal := self._lists.ordinals.get(self._texts[place])) is not None:
            self._add(f"#{ordinal}.", place)
            return 1
        value, length = self._value(place)
        if not length:
            return 0
        after = self._texts[place + length] if place + length < len(self._texts) else ""
        is_ordinal = after in _ORDINAL_ENDINGS
        self._add(f"#{value}." if is_ordinal else f"#{value}", place)
        if after not in UNITS or after in self._lists.numbers:
            return length + is_ordinal
        if UNITS[after]:
            self._add(f"unit {UNITS[after]}", place + length)
        return length + 1

    def _value(self, place: int) -> tuple[str, int]:
        if self._tokens[place].is_number:
            return self._texts[place].lstrip("0") or "0", 1
        value, length = number_at(self._texts, place, self._lists.numbers)
        return str(value), length

    def _plain(self, place: int) -> int:
        self._add(self._bases[place], place)
        return 1

    def _add(self, key: str, place: int, length: int = 1) -> None:
        lists, token = self._lists, self._tokens[place]
        if key in lists.universal and self._link in lists.prepositions:
            return
        if key in lists.negation:
            self._negate(place, length)
        clause = token.clause + self._opened
        if key in lists.conjunctions:
            self._opened, self._subordinate, clause = self._opened + 1, clause + 1, clause + 1
        last = self._words[-1] if self._words else None
        attached = last is not None and last.clause == clause and not self._link and self._previous.role == "same"
        is_adverb = key in lists.adverbs or (lists.language == "en" and token.text.endswith("ly"))
        word = Word(
            key=key,
            clause=clause,
            sentence=token.sentence,
            subordinate=clause == self._subordinate,
            link=self._link,
            attached=attached,
            is_adverb=is_adverb,
            is_free=is_adverb and length > 1,
            wide=self._previous.role in {"kind", "light"} and self._previous.kind not in _NO_SUBJECTS and not token.starts,
            phrase=key if key in lists.prepositions else last.phrase if last is not None and attached else self._link,
            kinds=frozenset(self._pending) if self._pending else _NOTHING,
            first_line=token.line == 0,
            place=place,
            opens=place == self._opening,
            form=self._form(place),
            denies=length > 1 and any(map(self._is_negation, self._bases[place : place + length])),
        )
        self._pending.clear()
        self._words.append(word)
        self._link, self._previous = key if key in lists.prepositions else "", _WORD

    def _is_negation(self, base: str) -> bool:
        entry = _longest(self._lists.inflected, [base], 0)[1]
        return entry is not None and entry.value in self._lists.negation

    def _form(self, place: int) -> Literal["", "past", "participle"]:
        lists, text = self._lists, self._texts[place]
        if text not in lists.past and (not text.endswith(lists.past_endings) or text.endswith("eed")):
            return ""
        before = self._texts[max(0, place - PARTICIPLE_WITHIN) : place]
        return "past" if lists.auxiliaries.isdisjoint(before) else "participle"


def _longest(phrases: Phrases, texts: Sequence[str], place: int) -> tuple[int, Entry | None]:
    for rest, entry in phrases.get(texts[place], ()):
        if not rest or tuple(texts[place + 1 : place + 1 + len(rest)]) == rest:
            return 1 + len(rest), entry
    return 0, None
