"""Bounds the pages of a PDF by its page tree, and how often pages show a stream. A child that is listed twice is two pages.

Takes objects as bytes, each with its number. Of several versions of an object the largest counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

GAP = rb"(?:[\x00\s]|%[^\r\n]{0,200}+[\r\n])*+"
"""Between two words of a PDF: white space and comments; the bound keeps a search linear."""
REFERENCE = re.compile(rb"(\d{1,10})" + GAP + rb"(?<!\d)\d{1,5}" + GAP + rb"R\b")
LIST = GAP + rb"\[([^\]]*+)(\]?)"
KIDS = re.compile(rb"/Kids\b")
KIDS_LIST = re.compile(rb"/Kids" + LIST)
COUNT = re.compile(rb"/Count" + GAP + rb"(\d{1,10})(" + GAP + rb"\d+" + GAP + rb"R\b)?")
PAGES = re.compile(rb"/Pages\b(?:" + GAP + REFERENCE.pattern + rb")?")
CONTENTS = re.compile(rb"/Contents" + GAP + rb"(?:" + REFERENCE.pattern + rb"|\[([^\]]*+))")
BARE_LIST = re.compile(LIST)


MAX_DEPTH = 64
"""Levels of a page tree that are followed."""


class UnreadablePageTree(Exception):
    """The tree can't be told for sure: it runs in a circle, or is written in a way that isn't read here."""


@dataclass(slots=True)
class PageTree:
    """The objects of a file that say which pages there are."""

    most: int
    """Pages from which on no exact number is needed."""
    _children: defaultdict[int, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))
    _roots: set[int] = field(default_factory=set)
    _contents: Counter[int] = field(default_factory=Counter)
    _lists: defaultdict[int, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))
    _told: int = 0

    def add(self, number: int, body: bytes) -> None:
        """Read one object. Raises `UnreadablePageTree`."""
        if found := BARE_LIST.match(body):
            self._lists[number].append(_references(found[1]))
        for found in PAGES.finditer(body):
            self._roots |= {number, int(found[1] or number)}
        for found in CONTENTS.finditer(body):
            self._contents.update((int(found[1]),) if found[1] else _references(found[2]))
        if kids := KIDS.findall(body):
            self._add_node(number, body, len(kids))

    def _add_node(self, number: int, body: bytes, kids: int) -> None:
        lists = KIDS_LIST.findall(body)
        if len(lists) != kids or not all(end for _, end in lists) or body.count(b"<<") != body.count(b">>"):
            raise UnreadablePageTree
        self._children[number].append(tuple(child for each, _ in lists for child in _references(each)))
        for told, elsewhere in COUNT.findall(body):
            if elsewhere:
                raise UnreadablePageTree
            self._told = max(self._told, int(told))

    def pages(self) -> int:
        """Return the most pages that any reading of the tree has, up to `most` + 1. Raises `UnreadablePageTree`."""
        known: dict[int, int] = {}
        roots = [each for each in self._roots if each in self._children]
        return max([self._told, *(self._below(root, known, frozenset()) for root in roots)])

    def _below(self, number: int, known: dict[int, int], above: frozenset[int]) -> int:
        if number not in self._children:
            return 1
        if number in above or len(above) > MAX_DEPTH:
            raise UnreadablePageTree
        if number not in known:
            path = above | {number}
            versions = (sum(self._below(child, known, path) for child in version) for version in self._children[number])
            known[number] = min(max(versions), self.most + 1)
        return known[number]

    def uses(self) -> Counter[int]:
        """Return how many times pages name each stream as their content."""
        uses: Counter[int] = Counter()
        for number, times in self._contents.items():
            uses[number] += times
            for listed in self._lists.get(number, ()):
                for each in listed:
                    uses[each] += times
        return uses


def _references(text: bytes) -> tuple[int, ...]:
    return tuple(int(each) for each in REFERENCE.findall(text))
