"""A phrase: the words that a grammar rule matched, and the words around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.knowledge.passages.dates.periods import Unit
from app.knowledge.passages.dates.tokens import ReadText, Token

_SENTENCE_END = re.compile(r"[.!?\n]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words [start, end) of a question. `opener`: the kind of the preceding word, skipping articles: "since the", "antes de"."""

    reading: ReadText
    start: int
    end: int
    opener: str
    today: date

    @property
    def words(self) -> Sequence[Token]:
        return self.reading.words[self.start : self.end]

    def has(self, *kinds: str) -> bool:
        return any(each.kind in kinds for each in self.words)

    def number(self, *kinds: str) -> int | None:
        """Return the number that the first word of these kinds stands for, or None."""
        return next((each.number for each in self.words if each.kind in kinds), None)

    def numbers(self, *kinds: str) -> list[int]:
        return [each.number for each in self.words if each.kind in kinds]

    def unit(self) -> Unit:
        """Return the last unit named, "day" if none is."""
        return next((each.unit for each in reversed(self.words) if each.unit), "day")

    def offset(self) -> int:
        """Return the number of units from now: 0 is this week, -1 last week."""
        return 0 if self.has("this") else next((each.number for each in self.words if each.kind in ("last", "relative")), -1)

    def before(self) -> str:
        """Return the kind of the word right before the phrase."""
        return self.reading.words[self.start - 1].kind if self.start else ""

    def rest(self, count: int = 1) -> Sequence[Token]:
        """Return the words that follow, at most `count`."""
        return self.reading.words[self.end : self.end + count]

    def after(self) -> str:
        """Return the kind of the word right after the phrase."""
        return next((each.kind for each in self.rest()), "")

    def near(self, back: int, ahead: int) -> set[str]:
        """Return the words around the phrase, lower-cased and split into their parts (`api-version` into two)."""
        around = (*self.reading.words[max(0, self.start - back) : self.start], *self.rest(ahead))
        return {part for each in around for part in re.split(r"[\W_]+", each.text.lower())}

    def sentence_has(self, pattern: re.Pattern[str]) -> bool:
        """Tell whether a sentence that contains the phrase's first word matches the pattern."""
        word = self.words[0].text.lower()
        return any(word in sentence and pattern.search(sentence) for sentence in _SENTENCE_END.split(self.reading.text.lower()))


def opener(words: Sequence[Token], start: int) -> str:
    """Return the kind of the word before `start`, skipping articles."""
    for place in range(start - 1, max(-1, start - 4), -1):
        kind = words[place].kind
        after_opener = place and words[place - 1].kind in ("before", "after", "since")
        if kind != "the" and not (kind in ("of", "on") and after_opener):
            return kind
    return ""
