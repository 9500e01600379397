"""Counts what was read, skipped and unknown, and why: a transcript's parse report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

MAX_PROBLEMS, MAX_REASONS = 20, 50
_KIND = re.compile(r"[A-Za-z]+\d{0,2}(?:[_.:-][A-Za-z]+\d{0,2}){0,5}")
KIND_CHARS = 40


@dataclass(slots=True)
class ParseTally:
    """Lines read and records skipped. `skipped`: reason → count. `problems`: the first damaged places, as (locator, reason).

    `unknown`: those of `skipped` whose kind this version doesn't know: the format has changed, or words were passed over.
    """

    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str, locator: str | None = None) -> None:
        """Count a skipped record. With a locator it is damage, listed in `problems`; without one it was expected."""
        if len(self.skipped) >= MAX_REASONS and reason not in self.skipped:
            reason = "other"
        self.skipped[reason] += 1
        if locator is not None and len(self.problems) < MAX_PROBLEMS:
            self.problems.append((locator, reason))

    def skip_kind(self, what: str, kind: object, unused: Set[str] = frozenset()) -> None:
        """Count a record, block or item that isn't read; one whose kind is not among the `unused` also as unknown.

        The kind comes from the file: reported only if it looks like a word.
        """
        told = kind if isinstance(kind, str) and len(kind) <= KIND_CHARS and _KIND.fullmatch(kind) else "other"
        reason = f"{what}: {told}"
        self.skip(reason)
        if not (isinstance(kind, str) and kind in unused):
            self.unknown[reason if len(self.unknown) < MAX_REASONS or reason in self.unknown else "other"] += 1
