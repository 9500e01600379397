"""Records of pattern memory: troubles that recur in sessions, and what followed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternOutcome:
    """A way in which a trouble ended, with how often. `after`: phases before its end in each of them, not its cause.

    `seconds`: how long it took, the median; None: the events have no times.
    """

    outcome: str
    times: int
    after: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternOccurrence:
    """A time that it occurred: the session, and numbers of its events."""

    session_id: str
    first: int
    last: int
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A kind of trouble in a project. `family`: what failed; `failing`: its phases; `words`: a sentence. `occurrences`: the latest."""

    id: str
    project: str
    family: str
    troubles: tuple[str, ...]
    failing: tuple[str, ...]
    words: str
    times: int
    sessions: int
    outcomes: tuple[PatternOutcome, ...]
    first_at: datetime
    last_at: datetime
    occurrences: tuple[PatternOccurrence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurringTrouble:
    """A trouble of a session, of the events `first` to `last`, and what other sessions of its project show of its kind."""

    first: int
    last: int
    pattern: Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternPage:
    """A page of patterns. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    patterns: tuple[Pattern, ...]
    next_cursor: str | None = None

    @property
    def items(self) -> tuple[Pattern, ...]:
        """Return the patterns of this page."""
        return self.patterns
