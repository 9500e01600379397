"""The gate: one Aho–Corasick pass finds the few places where a rule could match, so that clean text costs almost nothing.

Knows neither what the rules look for nor what becomes of what they find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from operator import itemgetter

import ahocorasick

from app.redaction.finding import Finding

Find = Callable[[str, int], Iterable[Finding]]
"""Asked at one anchor (its first character) of the text. Reads a bounded piece around it, so that a pass stays linear."""


Finders = tuple[Find, ...]
_LATIN = 0xFF
_ASCII = bytes(range(128))
_FREQUENT = "etaonisrhdlucmpfgwybvkxjqz_"  # in English; the last stands for all others


@dataclass(frozen=True, slots=True)
class Rule:
    """`anchors` are in lower case, ASCII but for words of another script; a match always contains one of them. In ASCII
    a `?` also stands for a character beyond Latin-1."""

    anchors: tuple[str, ...]
    find: Find


class Gate:
    def __init__(self, rules: Iterable[Rule]) -> None:
        finders: dict[str, dict[Find, None]] = {}
        for rule in rules:
            for anchor in rule.anchors:
                finders.setdefault(anchor, {})[rule.find] = None
        self._automaton = ahocorasick.Automaton()
        self._foreign: dict[str, Finders] = {}
        self._written: dict[str, tuple[bytes, ...]] = {}
        for anchor, found in sorted(finders.items(), key=_by_frequency):
            if ord(max(anchor)) > _LATIN:
                self._foreign[anchor] = tuple(found)
                self._written[anchor] = tuple({_beyond_ascii(form) for form in (anchor, anchor.capitalize(), anchor.upper())})
            else:
                self._automaton.add_word(anchor, (len(anchor) - 1, tuple(found)))
        self._automaton.make_automaton()
        self._scripts = (
            re.compile(b"[" + re.escape(bytes({form[0] for forms in self._written.values() for form in forms})) + b"]")
            if self._written
            else None
        )

    def findings(self, text: str) -> Iterator[Finding]:
        """All that the rules find, unsorted; what two rules find may overlap. A rule is not asked within what it has found."""
        found_until: dict[Find, int] = {}
        block_end = 0
        for start, finders in self._anchors(text):
            if start < block_end:
                continue
            for find in finders:
                if found_until and start < found_until.get(find, 0):
                    continue
                for finding in find(text, start):
                    yield finding
                    found_until[find] = finding.end
                    if finding.kind == "private-key":  # nothing inside a key block is of interest by itself
                        block_end = finding.end

    def _anchors(self, text: str) -> Iterable[tuple[int, Finders]]:
        found = ((last - offset, finders) for last, (offset, finders) in self._automaton.iter(_narrowed(text)))
        if text.isascii() or not (words := self._foreign_words(text)):
            return found
        written = re.finditer("|".join(map(re.escape, words)), text, re.IGNORECASE)
        return merge(found, ((word.start(), self._foreign[word[0].lower()]) for word in written), key=itemgetter(0))

    def _foreign_words(self, text: str) -> list[str]:
        """The anchors of other scripts that the text may hold: looked for where little is left, so that their number costs little."""
        rest = _beyond_ascii(text)
        if self._scripts is None or not self._scripts.search(rest):  # dashes, typographic quotes, emoji
            return []
        found = [word for word, forms in self._written.items() if any(form in rest for form in forms)]
        return sorted(found, key=len, reverse=True)  # the longest of those that begin at one place


def _by_frequency(entry: tuple[str, object]) -> list[int]:
    """The automaton tries a state's letters in the order in which it was told of them: the frequent first saves a fifth."""
    return [_FREQUENT.find(character) % len(_FREQUENT) for character in entry[0]]


def _beyond_ascii(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII)


def _narrowed(text: str) -> str:
    """ASCII letters lower, and one byte for each character: it is read fast, and unlike with `str.lower` nothing moves."""
    return text.lower() if text.isascii() else text.encode("latin-1", "replace").lower().decode("latin-1")
