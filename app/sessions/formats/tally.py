"""Counts what was read and skipped, and why: a transcript's parse report."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

MAX_PROBLEMS, MAX_REASONS = 20, 50
_KIND = re.compile(r"[A-Za-z]+(?:[_.:-][A-Za-z]+){0,5}")
KIND_CHARS = 40


@dataclass(slots=True)
class ParseTally:
    """Lines read and records skipped. `skipped`: reason → count. `problems`: the first damaged places, as (locator, reason)."""

    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, locator: str | None = None) -> None:
        """Count a skipped record. With a locator it is damage, listed in `problems`; without one it was expected."""
        if len(self.skipped) >= MAX_REASONS and reason not in self.skipped:
            reason = "other"
        self.skipped[reason] += 1
        if locator is not None and len(self.problems) < MAX_PROBLEMS:
            self.problems.append((locator, reason))

    def skip_kind(self, what: str, kind: object) -> None:
        """Count a record, block or item of an unused kind. The kind comes from the file: reported only if it looks like a word."""
        told = kind if isinstance(kind, str) and len(kind) <= KIND_CHARS and _KIND.fullmatch(kind) else "other"
        self.skip(f"{what}: {told}")
