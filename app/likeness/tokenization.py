"""Split a text into words, numbers, ideographs and signs that say something, and recognise the language of texts that are compared.

Knows the words of the languages' lists, not what they mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.likeness.remembering import remembered
from app.likeness.signs import LIST_MARKS, SIGN
from app.likeness.vocabulary import LANGUAGES, LANGUAGES_BY_WORD

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(
    rf"(?P<number>\d+(?:[.,:]\d+)*|(?<![\w.])\.\d+)|(?P<ideograph>[{_CJK}])|(?P<word>[^\W\d_{_CJK}]+)"
    rf"|(?P<arrow>[-=]{{1,2}}>(?!=))|(?P<currency>\$(?=[ ]?\d)|(?<=\d)\$|(?<=\d[ ])\$)|(?P<operator>{SIGN})"
    r"|(?P<break>[,;!?\n()\[\]…—–。，；：！？、]+|[\"“”]|[.:]+(?!\w))|(?P<sign>[^\w\s])"
)
_RULE = re.compile(  # a line below a heading or between paragraphs
    r"(?m)^[ \t]*([-=*_#~+])\1{2,}[ \t]*$"
)
_ENDS = frozenset(".;!?。")
"""End a sentence. Full-width marks are narrow when they are read."""
_BREAKS = frozenset(",;:!?.")
_CANNOT, _WONT, _NOT = (re.compile(each, re.IGNORECASE) for each in (r"\bcan(?:not|'t)\b", r"\bwon't\b", r"n't\b"))
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_KANA, _IDEOGRAPH = re.compile("[\u3040-\u30ff]"), re.compile("[\u3400-\u9fff]")
_MARKS = frozenset("%&")
"""Signs that are words, as symbols are (`€`, `→`, `≥`), but for those of _NO_WORDS."""
_SYMBOLS, _NO_WORDS = frozenset({"Sm", "So", "Sc"}), frozenset("$=~")
_IN_CAPITALS = frozenset({"IT", "US", "Kb", "Mb", "Gb", "Tb", "Kbps", "Mbps", "Gbps"})
"""Names that in small letters are words without a meaning, and units of bits."""
MIN_SHARE = 0.05
"""Share of the words that a language's lists have among a text's, from which on the text is in that language."""
MIN_IDEOGRAPHS = 0.3
"""Share of ideographs from which on a text is Chinese: its names are often in Latin letters."""


class TextToken(NamedTuple):  # made in a third of the time that a frozen dataclass takes, and there are ten thousands
    """A word, number or sign as it is written, case-folded. `starts`: nothing but punctuation stands before it in its clause."""

    text: str
    clause: int
    starts: bool = False
    is_number: bool = False
    line: int = 0
    opens_line: bool = False
    sentence: int = 0


@remembered
def tokens(text: str) -> tuple[TextToken, ...]:
    """Split a text into words, numbers, ideographs and signs."""
    folded = _RULE.sub("", unicodedata.normalize("NFKC", text).replace("’", "'"))
    folded = _NOT.sub(" not", _WONT.sub("will not", _CANNOT.sub("can not", folded)))
    return tuple(_tokens(folded))


def _tokens(text: str) -> Iterator[TextToken]:
    clause, line, sentence, starts, opens_line = 0, 0, 0, True, True
    for found in _TOKEN.finditer(text):
        kind, written = found.lastgroup, found[0]
        if kind == "break":
            clause, starts, sentence = clause + 1, True, sentence + (not _ENDS.isdisjoint(written))
            if "\n" in written:
                line, opens_line = line + 1, True
        elif kind == "operator" and _BREAKS.issuperset(written):  # a sign, or in French the end of a clause
            clause, starts = clause + 1, True
            yield TextToken(written, clause, line=line, sentence=sentence)
        elif _is_word(kind, written, opens_line=opens_line):
            clause += _parts(kind, text[max(0, found.start() - 1) : found.start()], written)
            yield TextToken(_written(written, kind, starts=starts), clause, starts, kind == "number", line, opens_line, sentence)
            starts = opens_line = False


def _parts(kind: str | None, before: str, written: str) -> bool:
    """Tell whether what stands on the two sides of a sign has an order: `a < b < c`, `lint -> build`, but not `5 %`."""
    return kind == "arrow" or (kind in {"operator", "sign"} and written not in _MARKS and before.isspace())


def _is_word(kind: str | None, written: str, *, opens_line: bool) -> bool:
    if kind == "operator":
        return not (opens_line and LIST_MARKS.issuperset(written))
    return kind != "sign" or written in _MARKS or (written not in _NO_WORDS and unicodedata.category(written) in _SYMBOLS)


def _written(found: str, kind: str | None, *, starts: bool) -> str:
    """Return a token as it is compared: `IT` and the `A` of `plan A` keep their capitals."""
    if kind == "arrow":
        return "→"
    if found in _IN_CAPITALS or (found == "A" and not starts):
        return found
    return found.replace(",", "") if "," in found and _THOUSANDS.fullmatch(found) else found.casefold()


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
    """Counts that tell the language of a text. `known`: words that each language's lists have, in the order of LANGUAGES."""

    tokens: int
    kana: bool
    ideographs: int
    known: tuple[int, ...]


@remembered
def _tally(text: str) -> LanguageTally:
    written = [token.text for token in tokens(text)]
    known = dict.fromkeys(LANGUAGES, 0)
    for each in written:
        for language in LANGUAGES_BY_WORD.get(each, ()):
            known[language] += 1
    ideographs = 0 if text.isascii() else sum(map(bool, map(_IDEOGRAPH.match, written)))
    kana = not text.isascii() and any(map(_KANA.match, written))
    return LanguageTally(len(written), kana, ideographs, tuple(known.values()))
