"""Tells at once that a text has none of some words, so that a pattern which needs one of them need not be tried. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, Generic, TypeVar

import ahocorasick

Name = TypeVar("Name")
_UNLIKE: Final = re.compile("[\u0130\u0131\u017f\u212a\u1c80-\u1c88]")
"""Letters that a pattern that ignores case takes for others, though they are not so in lower case."""


class Mentions(Generic[Name]):
    """Names, each with words in lower case of which a text needs one to be about it. All words are looked for in one pass over the text."""

    def __init__(self, words: Mapping[Name, Collection[str]]) -> None:
        self._all: Final = frozenset(words)
        named: dict[str, frozenset[Name]] = {}
        for name, of in words.items():
            for word in of:
                named[word] = named.get(word, frozenset()) | {name}
        self._automaton: Final = ahocorasick.Automaton()
        for word, names in named.items():
            self._automaton.add_word(word, names)
        self._automaton.make_automaton()

    def in_text(self, text: str) -> frozenset[Name]:
        """Return the names that the text, in any case, may be about; mostly none."""
        if not text.isascii() and _UNLIKE.search(text) is not None:
            return self._all
        found: frozenset[Name] = frozenset()
        for _, names in self._automaton.iter(text.lower()):
            found |= names
        return found
