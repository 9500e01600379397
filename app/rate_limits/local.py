"""Per-process rate limiting. A request costs a few microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.rate_limits.window import LimitState, Window

Unit = Literal["requests", "tokens"]
Quota: TypeAlias = Mapping[Unit, int]
"""Limits per minute. A unit that is missing is unlimited."""
PRUNE_THRESHOLD = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the state of each limit, with the request counted if granted."""

    granted: bool
    states: Mapping[Unit, LimitState]


class LocalLimits:
    """Windows per subject and unit; empty ones are pruned when there are many."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, Unit], Window] = {}
        self._prune_from = PRUNE_THRESHOLD

    def check(self, subject: str, quota: Quota, now: float) -> Verdict:
        """Check without counting."""
        found = {unit: self._window(subject, unit, now).state(limit, now) for unit, limit in quota.items()}
        return Verdict(all(each.left > 0 for each in found.values()), found)

    def take(self, subject: str, quota: Quota, now: float) -> Verdict:
        """Check and count one request. Its tokens are known only afterwards, and don't count here."""
        found = self.check(subject, quota, now)
        if not found.granted:
            return found
        self.count(subject, quota, now)
        return Verdict(True, self.check(subject, quota, now).states)

    def count(self, subject: str, quota: Quota, now: float) -> None:
        """Count a request that was granted elsewhere."""
        if "requests" in quota:
            self.use(subject, "requests", 1, now)

    def use(self, subject: str, unit: Unit, amount: int, now: float) -> None:
        self._window(subject, unit, now).use(amount, now)

    def _window(self, subject: str, unit: Unit, now: float) -> Window:
        found = self._windows.get((subject, unit))
        if found is None:
            if len(self._windows) >= self._prune_from:
                self._windows = {key: window for key, window in self._windows.items() if window.used(now)}
                self._prune_from = max(PRUNE_THRESHOLD, 2 * len(self._windows))
            found = self._windows[subject, unit] = Window()
        return found
