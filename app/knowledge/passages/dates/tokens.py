"""Splits a question into tokens, classifying time words. Code, names, paths, versions and quotes are plain `word` tokens.

A token has a kind (a name that `grammar` uses), a value, and its spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from app.knowledge.passages.dates.cjk_words import CHINESE_WEEKDAYS, CHINESE_WEEKS, CJK_LEXICON, CJK_NUMERALS, CJK_TOKEN, JAPANESE_WEEKDAYS
from app.knowledge.passages.dates.periods import Unit
from app.knowledge.passages.dates.words import ACCENTS, LATIN_TRIGGERS, LEXICON, PHRASES, Meaning

MAX_CHARS, MAX_WORDS = 2_000, 500
"""Characters and words read of a question; the rest of a pasted log says nothing about when."""
_CJK = "\u3005\u3040-\u30ff\u3400-\u9fff"
_TIMELY = re.compile(rf"[0-9{_CJK}]")
_LATIN = re.compile(r"[a-z]+")
_CODE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|(?<!\w)'[^'\n]{1,40}'(?!\w)|\"[^\"\n]{1,40}\"|[“„«「][^“”„«»「」\n]{1,40}[”“»」]", re.DOTALL
)
_CHUNK = re.compile(
    rf"(?P<cjk>[{_CJK}]+)|(?P<comma>,)|(?P<dash>[–—~])|(?P<plain>[^\s,–—~;!?\"“”„«»()\[\]{{}}<>|、。{_CJK}]+)|(?P<stop>[^ \t])"
)
_WORD = re.compile(r"(?:[ldqcjmnst]u?['’])?(?P<word>[a-z]+?)(?P<of>['’]s|s['’])?")
_NUMBER = re.compile(
    r"(?P<year>(?:19|20)\d\d)|(?P<number>\d{1,3})|(?P<ordinal>\d{1,2})(?:st|nd|rd|th|er|\.)|(?P<from>\d{1,2})-(?P<to>\d{1,2})", re.ASCII
)
_DATE = re.compile(
    r"(?P<y>(?:19|20)\d\d)(?:[-/](?P<m>0\d|1[0-2])|(?P<sep>[-/])(?P<m2>\d\d?)(?P=sep)(?P<d>\d\d?)(?P<time>T\d\d:?\d\d\S*)?)"
    r"|(?P<d3>\d\d?)\.(?P<m3>\d\d?)\.(?P<y3>(?:19|20)\d\d)",
    re.ASCII | re.IGNORECASE,
)
_QUARTER = re.compile(r"q([1-4])(?:[-/]((?:19|20)\d\d))?|((?:19|20)\d\d)-?q([1-4])", re.ASCII)
_CLOCK = re.compile(r"\d\d?:\d\d(?::\d\d)?\S{0,6}", re.ASCII)


_UNKNOWN = Meaning("word")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a question. `number`, `unit`: as in `Meaning`; `date`: (year, month, day or 0) of an `iso` token."""

    kind: str
    text: str
    number: int = 0
    unit: Unit | None = None
    date: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class ReadText:
    """A tokenized question: the text without accents and code, and its tokens in order; `stop` marks the end of a sentence or bracket."""

    text: str
    words: Sequence[Token]


def read(text: str) -> ReadText:
    """Tokenize a question; no tokens if nothing in it can name a period (the common case, decided quickly)."""
    text = text[:MAX_CHARS].strip()
    if len(text) > 1 and text[0] in "\"'“„«「" and text[-1] in "\"'”“»」":
        text = text[1:-1]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:MAX_CHARS].translate(ACCENTS)
    if not _TIMELY.search(text) and LATIN_TRIGGERS.isdisjoint(_LATIN.findall(text.lower())):
        return ReadText(text, ())
    text = _CODE.sub(" _ ", text)
    for pattern, word in PHRASES:
        text = pattern.sub(word, text)
    return ReadText(text, list(islice(_tokens(text), MAX_WORDS)))


def _tokens(text: str) -> Iterator[Token]:
    for found in _CHUNK.finditer(text):
        match found.lastgroup:
            case "cjk":
                yield from _cjk(found.group())
            case "plain":
                yield from _plain(found.group(), called=text[found.end() : found.end() + 1] in ("(", "[", "{"))
            case "comma":
                yield Token("comma", ",")
            case "dash":
                yield Token("joined", "-")
            case _:
                yield Token("stop", found.group())


def _plain(chunk: str, *, called: bool) -> Iterator[Token]:
    """Tokenize a chunk between two spaces: a time word only if the whole chunk is one."""
    if chunk[0] == "-" and len(chunk) > 1:
        yield Token("every", chunk)  # a command's option: the next word is its value, not a period
        return
    ordinal = _NUMBER.fullmatch(chunk)
    core = chunk if ordinal and ordinal["ordinal"] else chunk.strip("*").rstrip(".:*")
    lowered = core.lower()
    if called:
        yield Token("word", lowered)
    elif core.isalpha() or "'" in core or "’" in core:
        yield from _word(core, lowered)
    elif core in ("-", "&", "+", "/"):
        yield Token("joined", core)
    elif core[:1].isdigit() or core[:1] in "qQ":
        yield from _dated(lowered)
    elif core:
        yield Token("word", lowered)
    if len(core) < len(chunk) and chunk[-1] in ".:":
        yield Token("stop", chunk[-1])


def _word(core: str, lowered: str) -> Iterator[Token]:
    found = _WORD.fullmatch(lowered)
    kind, number, unit = LEXICON.get(found["word"], _UNKNOWN) if found else _UNKNOWN
    if found and found["of"]:
        if kind == "today":
            kind = "day"
        elif kind in ("month", "ambiguous", "weekday"):
            yield Token("on", found["of"])
    yield Token(kind, core, number, unit)


def _dated(lowered: str) -> Iterator[Token]:
    """Tokenize numbers and numeric dates."""
    if found := _NUMBER.fullmatch(lowered):
        if found["from"]:
            yield from (
                Token("number", lowered, int(found["from"])),
                Token("joined", "-"),
                Token("number", lowered, int(found["to"])),
            )
        else:
            kind = found.lastgroup or "number"
            yield Token(kind, lowered, int(found[kind]))
    elif found := _QUARTER.fullmatch(lowered):
        yield Token("quarter", lowered, int(found[1] or found[4]))
        if year := found[2] or found[3]:
            yield Token("year", lowered, int(year))
    elif found := _DATE.fullmatch(lowered):
        value = (int(found["y"] or found["y3"]), int(found["m"] or found["m2"] or found["m3"]), int(found["d"] or found["d3"] or 0))
        yield Token("iso", lowered, date=value)
        if found["time"]:
            yield Token("clock", lowered)
    else:
        yield Token("clock" if _CLOCK.fullmatch(lowered) else "word", lowered)


def _cjk(run: str) -> Iterator[Token]:
    place = 0
    for found in CJK_TOKEN.finditer(run):
        if found.start() > place:
            yield Token("word", run[place : found.start()])
        place, text = found.end(), found.group()
        if sign := found["chinese"]:
            if found["week"]:
                yield Token("relative", text, CHINESE_WEEKS[found["week"]], "week")
            elif len(found["sort"]) > 1:
                yield Token("on", text)
            yield Token("weekday", text, CHINESE_WEEKDAYS[sign])
        elif sign := found["japanese"]:
            yield from (Token("on", text), Token("weekday", text, JAPANESE_WEEKDAYS.index(sign)))
        elif found["number"]:
            number = _numeral(text)
            yield Token("number", text, number) if number else Token("word", text)
        else:
            meaning = CJK_LEXICON[text]
            yield Token(meaning.kind, text, meaning.number, meaning.unit)
    if place < len(run):
        yield Token("word", run[place:])


def _numeral(text: str) -> int | None:
    """Parse 三, 十二 or 二十五; None for anything else."""
    tens, ten, ones = text.partition("十")
    if not ten:
        return CJK_NUMERALS.get(text)
    values = [CJK_NUMERALS.get(part, None if part else default) for part, default in ((tens, 1), (ones, 0))]
    return None if None in values else 10 * (values[0] or 0) + (values[1] or 0)
