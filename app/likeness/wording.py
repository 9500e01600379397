"""Read a text as the sequence of its words with a meaning: in base form, synonyms as one, each with its preposition and its clause.

Knows one text and its language's vocabulary; what two texts' words have in common, `contrast` decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from app.likeness.claims import UNITS
from app.likeness.vocabulary import LANGUAGES, Entry, Phrases, Vocabulary, languages_by_word, vocabulary

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(
    rf"(?P<number>\d+(?:[.,:]\d+)*)|(?P<ideograph>[{_CJK}])|(?P<word>[^\W\d_{_CJK}]+)|(?P<break>[.,;:!?\n()\[\]…—–。，；：！？、\"“”]+)"
    r"|(?P<arrow>[-=]>)|(?P<currency>\$(?=[ ]?\d)|(?<=\d)\$|(?<=\d[ ])\$)|(?P<sign>[^\w\s])"
)
_MARKS = frozenset("%&")
"""Signs that are words, besides symbols; `$` is one beside a number only."""
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_TENS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_MULTIPLIERS = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
_SHOUTED = frozenset({"it", "us"})
"""Light words that in capitals are names."""
_KANA, _IDEOGRAPH = re.compile("[\u3040-\u30ff]"), re.compile("[\u3400-\u9fff]")
MIN_SHARE = 0.15
"""Share of the words that a language's lists have among a text's, from which on the text is in that language."""
MIN_IDEOGRAPHS = 0.3
"""Share of ideographs from which on a text is Chinese: its names are often in Latin letters."""
CAN_NOT_FOLLOW = 2
"""Words behind a negation that it may concern: `not manually restarted` negates `restarted` too."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or sign as it is written, case-folded. `starts`: nothing but punctuation stands before it in its clause."""

    text: str
    clause: int
    starts: bool = False
    is_number: bool = False
    first_line: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word with a meaning. `link`: the class of its preposition; `attached`: the next word follows at once."""

    key: str
    clause: int
    link: str = ""
    attached: bool = False
    is_adverb: bool = False
    is_free: bool = False
    """An adverbial of several words, such as `every night`: it may stand anywhere."""
    wide: bool = False
    """The scope of `only` is all that follows: `we only deploy on Fridays`."""
    phrase: str = ""
    """The preposition of the phrase that it belongs to: `before` for `deploy` in `before every deploy`."""
    first_line: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one text that carry its meaning."""

    vocabulary: Vocabulary
    words: Sequence[Word]
    kinds: Mapping[str, frozenset[str]]
    """Kind of light words → the values of it in the text: {"modality": {"must"}}."""
    passive: bool
    keys: tuple[str, ...] = field(init=False)
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(word.key for word in self.words))
        object.__setattr__(self, "counts", Counter(self.keys))

    def scopes(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield each word such as `only` with those that it may concern: the next, or at the end of a clause the one before."""
        for place, word in enumerate(self.words):
            if word.key in self.vocabulary.scoped:
                yield word.key, self._concerned(place, word)

    def _concerned(self, place: int, word: Word) -> frozenset[str]:
        following = [each.key for each in self.words[place + 1 :][:12] if each.clause == word.clause]
        if following:
            return frozenset(following if word.wide else following[: CAN_NOT_FOLLOW if word.key == self.vocabulary.negation else 1])
        before = self.words[place - 1 : place]
        return frozenset(each.key for each in before if each.clause == word.clause)


@lru_cache(maxsize=512)  # one text is compared with many
def tokens(text: str) -> tuple[Token, ...]:
    """Split a text into words, numbers, ideographs and signs."""
    folded = unicodedata.normalize("NFKC", text).replace("’", "'")
    folded = re.sub(r"\bcannot\b", "can not", folded, flags=re.IGNORECASE)
    folded = re.sub(r"n't\b", " not", re.sub(r"\b(wo|ca)n't\b", r"\1n not", folded, flags=re.IGNORECASE), flags=re.IGNORECASE)
    first_line_ends = folded.find("\n")
    return tuple(_tokens(folded, first_line_ends))


def _tokens(text: str, first_line_ends: int) -> Iterator[Token]:
    clause, starts = 0, True
    for found in _TOKEN.finditer(text):
        kind, written = found.lastgroup, found[0]
        if kind == "break":
            clause, starts = clause + 1, True
            continue
        if kind == "sign" and written not in _MARKS and (unicodedata.category(written) not in {"Sm", "So", "Sc"} or written in "$=~"):
            continue
        first_line = found.start() < first_line_ends
        yield Token(_written(written, kind, starts), clause, starts, kind == "number", first_line)
        starts = False


def _written(found: str, kind: str | None, starts: bool) -> str:  # noqa: FBT001
    """Return a token as it is compared: `IT` and the `A` of `plan A` keep their capitals."""
    if kind == "arrow":
        return "→"
    if (found.lower() in _SHOUTED and found.isupper()) or (found == "A" and not starts):
        return found
    return found.replace(",", "").lower() if kind == "number" and re.fullmatch(r"\d{1,3}(,\d{3})+", found) else found.casefold()


def language_of(*texts: str) -> str:
    """Return the language of texts that are compared, by the words that its lists have; an empty string if they have few."""
    tallies = [_tally(text) for text in texts]
    if any(tally.kana for tally in tallies):
        return ""
    total = sum(tally.tokens for tally in tallies)
    if sum(tally.ideographs for tally in tallies) > MIN_IDEOGRAPHS * total:
        return "zh"
    counts = [sum(tally.known[place] for tally in tallies) for place in range(len(LANGUAGES))]
    if not any(counts):
        return "en"  # a few words without any that is known, such as a title's
    return LANGUAGES[counts.index(max(counts))] if max(counts) >= MIN_SHARE * total else ""


@dataclass(frozen=True, slots=True)
class LanguageTally:
    """What tells the language of a text. `known`: words that each language's lists have, in the order of LANGUAGES."""

    tokens: int
    kana: bool
    ideographs: int
    known: tuple[int, ...]


@lru_cache(maxsize=512)
def _tally(text: str) -> LanguageTally:
    found, written = languages_by_word(), [token.text for token in tokens(text)]
    known = Counter(language for each in written for language in found.get(each, ()))
    ideographs = 0 if text.isascii() else sum(map(bool, map(_IDEOGRAPH.match, written)))
    kana = not text.isascii() and any(map(_KANA.match, written))
    return LanguageTally(len(written), kana, ideographs, tuple(known[language] for language in LANGUAGES))


@lru_cache(maxsize=512)
def wording_of(text: str, language: str) -> Wording:
    """Read a text in a language. A first line that only repeats words of the rest, as a title does, is left out."""
    reading = _Reading(vocabulary(language), tokens(text))
    words, kinds = reading.read()
    body = [word for word in words if not word.first_line]
    repeated = {word.key for word in words if word.first_line} <= {word.key for word in body}
    return Wording(vocabulary(language), body if body and repeated else words, kinds, reading.is_passive())


class _Reading:
    """One pass over a text's tokens."""

    def __init__(self, lists: Vocabulary, written: Sequence[Token]) -> None:
        self._lists = lists
        self._tokens = written
        self._texts = [token.text for token in written]
        self._bases = [lists.base(text) for text in self._texts]
        self._words: list[Word] = []
        self._kinds: dict[str, set[str]] = {}
        self._link = ""
        self._opened = 0
        self._previous = Entry("same")

    def read(self) -> tuple[list[Word], dict[str, frozenset[str]]]:
        place = 0
        while place < len(self._tokens):
            place += self._phrase(place) or self._number(place) or self._plain(place)
        return self._words, {kind: frozenset(values) for kind, values in self._kinds.items()}

    def is_passive(self) -> bool:
        """Tell whether an auxiliary stands within three words before a participle."""
        lists = self._lists
        return any(
            not lists.participles or any(after.endswith(lists.participles) for after in self._texts[place + 1 : place + 4])
            for place, text in enumerate(self._texts)
            if text in lists.auxiliaries
        )

    def _phrase(self, place: int) -> int:
        """Read the longest phrase of the lists here; return the number of its tokens."""
        length, entry = max(
            _longest(self._lists.written, self._texts, place),
            _longest(self._lists.inflected, self._bases, place),
            key=lambda each: each[0],
        )
        if entry is None or (entry.role == "framing" and not self._frames(place, length)):
            return 0
        match entry.role:
            case "kind":
                self._kinds.setdefault(entry.kind, set()).add(entry.value)
            case "link":
                self._link = entry.value
            case "same":
                self._add(entry.value, place, length)
            case "light" | "framing":
                pass
        self._previous = entry
        return length

    def _frames(self, place: int, length: int) -> bool:
        """Tell whether a phrase stands before what is said: at the beginning of a clause, a single word alone in it (`Note: …`)."""
        token, after = self._tokens[place], self._tokens[place + length : place + length + 1]
        is_alone = not after or after[0].clause != token.clause
        return token.starts and (is_alone or length > 1)

    def _number(self, place: int) -> int:
        """Read a number with its unit, or an ordinal."""
        value, length = self._value(place)
        if not length:
            if (ordinal := self._lists.ordinals.get(self._texts[place])) is None:
                return 0
            self._add(f"#{ordinal}.", place)
            return 1
        after = self._texts[place + length] if place + length < len(self._texts) else ""
        if after in _ORDINAL_ENDINGS:
            self._add(f"#{value}.", place)
            return length + 1
        self._add(f"#{value}", place)
        if after in UNITS and after not in self._lists.numbers:
            if UNITS[after]:
                self._add(f"unit {UNITS[after]}", place + length)
            return length + 1
        return length

    def _value(self, place: int) -> tuple[str, int]:
        token = self._tokens[place]
        if token.is_number:
            return token.text.lstrip("0") or "0", 1
        if token.text in _DIGITS or token.text in _TENS:
            return _ideographic(self._texts[place : place + 12])
        return self._spelled(place)

    def _spelled(self, place: int) -> tuple[str, int]:
        """Read a number in words: `twenty-five`, `two hundred and six`."""
        total = part = length = 0
        for text in self._texts[place : place + 8]:
            if text in self._lists.numbers:
                part += self._lists.numbers[text]
            elif text in _MULTIPLIERS and length and self._lists.language == "en":
                part *= _MULTIPLIERS[text]
                if _MULTIPLIERS[text] > 100:
                    total, part = total + part, 0
            else:
                break
            length += 1
        return str(total + part), length

    def _plain(self, place: int) -> int:
        self._add(self._bases[place], place)
        return 1

    def _add(self, key: str, place: int, length: int = 1) -> None:
        if key == self._lists.universal and self._link in self._lists.prepositions:
            return
        if key == self._lists.negation and self._previous.kind == "modality":  # `must not`, `may not` and `do not` forbid alike
            self._kinds.get("modality", set()).discard(self._previous.value)
        if key in self._lists.conjunctions:
            self._opened += 1
        token = self._tokens[place]
        clause = token.clause + self._opened
        wide = self._previous.role in {"kind", "light"} and self._previous.kind not in {"conjunction", "possession"} and not token.starts
        attached = not self._link and self._previous.role == "same" and bool(self._words) and self._words[-1].clause == clause
        phrase = self._link
        if attached:
            phrase = self._words[-1].phrase
            self._words[-1] = replace(self._words[-1], attached=True)
        if key in self._lists.prepositions:
            phrase = key
        is_adverb = key in self._lists.adverbs or (self._lists.language == "en" and token.text.endswith("ly"))
        is_free = is_adverb and length > 1
        word = Word(key, clause, self._link, phrase=phrase, is_adverb=is_adverb, is_free=is_free, wide=wide, first_line=token.first_line)
        self._words.append(word)
        self._link, self._previous = key if key in self._lists.prepositions else "", Entry("same")


def _longest(phrases: Phrases, texts: Sequence[str], place: int) -> tuple[int, Entry | None]:
    for rest, entry in phrases.get(texts[place], ()):
        if not rest or tuple(texts[place + 1 : place + 1 + len(rest)]) == rest:
            return 1 + len(rest), entry
    return 0, None


def _ideographic(texts: Sequence[str]) -> tuple[str, int]:
    """Read a number in ideographs: `十五` is 15, `五十` is 50."""
    total = section = digit = length = 0
    for text in texts:
        if text in _DIGITS:
            digit = 10 * digit + _DIGITS[text]
        elif text in _TENS:
            section += (digit or 1) * _TENS[text] if _TENS[text] < 10_000 else 0
            if _TENS[text] >= 10_000:
                total, section = total + (section + digit or 1) * _TENS[text], 0
            digit = 0
        else:
            break
        length += 1
    return str(total + section + digit), length
