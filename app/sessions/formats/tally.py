"""What was read and what was skipped, and why: the report of a transcript."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

MOST_PROBLEMS, MOST_REASONS = 20, 50
_KIND = re.compile(r"[A-Za-z]+(?:[_.:-][A-Za-z]+){0,5}")
KIND_CHARS = 40


@dataclass(slots=True)
class Tally:
    """`skipped`: reason → how often. `problems`: the first of those that a person may want to look at, as (locator, reason)."""

    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, locator: str | None = None) -> None:
        """Count a skip; with a locator it is a problem (damage), without one it is expected (a kind of record that says nothing)."""
        if len(self.skipped) >= MOST_REASONS and reason not in self.skipped:
            reason = "other"
        self.skipped[reason] += 1
        if locator is not None and len(self.problems) < MOST_PROBLEMS:
            self.problems.append((locator, reason))

    def skip_kind(self, what: str, kind: object) -> None:
        """Count a record, a block, an item of a kind that says nothing to us. The kind is the file's word: told only if it is one."""
        told = kind if isinstance(kind, str) and len(kind) <= KIND_CHARS and _KIND.fullmatch(kind) else "other"
        self.skip(f"{what}: {told}")
