"""What one process let through. No request costs more than a few microseconds here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.limits.window import Standing, Window

Unit = Literal["requests", "tokens"]
Quota: TypeAlias = Mapping[Unit, int]
"""The most of each within a minute. A unit that is not in it has no limit."""
PRUNED_FROM = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """May one more request through? And how each limit stands: with that request in it, if it may."""

    granted: bool
    standings: Mapping[Unit, Standing]


class Own:
    """A window for each subject and unit; those in which nothing is left are dropped when there are many."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, Unit], Window] = {}
        self._most = PRUNED_FROM

    def look(self, subject: str, quota: Quota, now: float) -> Verdict:
        """Uses nothing."""
        found = {unit: self._window(subject, unit, now).standing(limit, now) for unit, limit in quota.items()}
        return Verdict(all(each.left > 0 for each in found.values()), found)

    def take(self, subject: str, quota: Quota, now: float) -> Verdict:
        """One request, where every limit has room. What it will use of the tokens is known only afterwards."""
        found = self.look(subject, quota, now)
        if not found.granted:
            return found
        self.count(subject, quota, now)
        return Verdict(True, self.look(subject, quota, now).standings)

    def count(self, subject: str, quota: Quota, now: float) -> None:
        """One request that was let through."""
        if "requests" in quota:
            self.use(subject, "requests", 1, now)

    def use(self, subject: str, unit: Unit, amount: int, now: float) -> None:
        self._window(subject, unit, now).use(amount, now)

    def _window(self, subject: str, unit: Unit, now: float) -> Window:
        found = self._windows.get((subject, unit))
        if found is None:
            if len(self._windows) >= self._most:
                self._windows = {key: window for key, window in self._windows.items() if window.used(now)}
                self._most = max(PRUNED_FROM, 2 * len(self._windows))
            found = self._windows[subject, unit] = Window()
        return found
