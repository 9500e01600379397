"""What was read and what was skipped, and why: the report of a transcript."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST_PROBLEMS = 20


@dataclass(slots=True)
class Tally:
    """`skipped`: reason → how often. `problems`: the first of those that a person may want to look at, as (locator, reason)."""

    lines: int = 0
    events: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, locator: str | None = None) -> None:
        """Count a skip; with a locator it is a problem (damage), without one it is expected (a kind of record that says nothing)."""
        self.skipped[reason] += 1
        if locator is not None and len(self.problems) < MOST_PROBLEMS:
            self.problems.append((locator, reason))
