"""Prefilter: one Aho–Corasick pass finds the few places where a rule could match, so that clean text costs almost nothing.

Knows neither what the rules look for nor what is done with their findings.
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
"""A rule's matcher, called with a text and an anchor's offset. Must read only a bounded part around it, so that a pass stays linear."""


Finders = tuple[Find, ...]
_LATIN = 0xFF
_ASCII = bytes(range(128))
_FREQUENT = "etaonisrhdlucmpfgwybvkxjqz_"  # letters by frequency in English; the last stands for all others


@dataclass(frozen=True, slots=True)
class RedactionRule:
    """A matcher and its anchors: lower-case substrings, one of which is in every match.

    Anchors are ASCII, except words of other scripts. In an ASCII anchor `?` also stands for a character beyond Latin-1.
    """

    anchors: tuple[str, ...]
    find: Find


class RulePrefilter:
    """The compiled prefilter of a set of rules."""

    def __init__(self, rules: Iterable[RedactionRule]) -> None:
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
        """Yield the rules' findings, unsorted and possibly overlapping. A rule is not called again inside its own finding."""
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
                    if finding.kind == "private-key":  # findings inside a key block are redundant
                        block_end = finding.end

    def _anchors(self, text: str) -> Iterable[tuple[int, Finders]]:
        found = ((last - offset, finders) for last, (offset, finders) in self._automaton.iter(_narrowed(text)))
        if text.isascii() or not (words := self._foreign_words(text)):
            return found
        written = re.finditer("|".join(map(re.escape, words)), text, re.IGNORECASE)
        return merge(found, ((word.start(), self._foreign[word[0].lower()]) for word in written), key=itemgetter(0))

    def _foreign_words(self, text: str) -> list[str]:
        """Return the non-Latin anchors that the text may hold. Searches only its non-ASCII bytes, so that many anchors cost little."""
        rest = _beyond_ascii(text)
        if self._scripts is None or not self._scripts.search(rest):  # only dashes, typographic quotes, emoji
            return []
        found = [word for word, forms in self._written.items() if any(form in rest for form in forms)]
        return sorted(found, key=len, reverse=True)  # longest first, for the alternation


def _by_frequency(entry: tuple[str, object]) -> list[int]:
    """Sort anchors so that frequent letters are added first: the automaton tries them in that order, which saves a fifth."""
    return [_FREQUENT.find(character) % len(_FREQUENT) for character in entry[0]]


def _beyond_ascii(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII)


def _narrowed(text: str) -> str:
    """Return the text in lower case with one byte per character: fast to scan, and, unlike `str.lower`, offsets stay valid."""
    return text.lower() if text.isascii() else text.encode("latin-1", "replace").lower().decode("latin-1")
