"""The gate: one Aho–Corasick pass finds the few places where a rule could match, so that clean text costs almost nothing.

Knows neither what the rules look for nor what becomes of what they find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import ahocorasick

from app.redaction.finding import Finding

Find = Callable[[str, int], Iterable[Finding]]
"""Asked at one anchor (its first character) of the text. Reads a bounded piece around it, so that a pass stays linear."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`anchors` are lower-case ASCII, of which a match always contains one."""

    anchors: tuple[str, ...]
    find: Find


class Gate:
    def __init__(self, rules: Iterable[Rule]) -> None:
        finders: dict[str, dict[Find, None]] = {}
        for rule in rules:
            for anchor in rule.anchors:
                finders.setdefault(anchor, {})[rule.find] = None
        self._automaton = ahocorasick.Automaton()
        for anchor, found in finders.items():
            self._automaton.add_word(anchor, (len(anchor) - 1, tuple(found)))
        self._automaton.make_automaton()

    def findings(self, text: str) -> Iterator[Finding]:
        """All that the rules find, unsorted; what two rules find may overlap. A rule is not asked within what it has found."""
        found_until: dict[Find, int] = {}
        block_end = 0
        for last, (offset, finders) in self._automaton.iter(_lowered(text)):
            start = last - offset
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


def _lowered(text: str) -> str:
    """ASCII letters lower, anything beyond Latin-1 a question mark: every character keeps its place, unlike with `str.lower`."""
    return text.encode("latin-1", "replace").lower().decode("latin-1")
