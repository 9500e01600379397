"""Says what is known of a pattern in a sentence: how often, since when, and what followed. Counts only, never a likelihood or a cause; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from app.trajectory.patterns.merging import OutcomeCount, TroublePattern
from app.trajectory.shapes.phases import symbol_of

MAX_DEEDS: Final = 4
_ENDS: Final[Mapping[str, str]] = {
    "check_passed": "followed by a passing check",
    "call_worked": "followed by the same kind of call with success",
    "committed": "followed by a commit",
    "approved": "followed by a person's approval",
    "unresolved": "with no end that shows",
}
OUTCOME_WORDS: Final[Mapping[str, str]] = {name: words.removeprefix("followed by ") for name, words in _ENDS.items()}


def known_of(pattern: TroublePattern, *, others: bool) -> str:
    """Say what is known of a pattern. `others`: it was counted without the session that is told of it."""
    sessions = len(pattern.sessions)
    where = f"{sessions} {'other ' if others else ''}session{'' if sessions == 1 else 's'}"
    often = "" if pattern.times == sessions else f", {_times(pattern.times)}"
    at = [each.at for each in pattern.occurrences]
    ends = "; ".join(_ended(each, alone=len(pattern.outcomes) == 1 and pattern.times == 1) for each in pattern.outcomes)
    return f"Seen in {where} of this project{often}, {_since(min(at), max(at))}: {ends}."


def words_of_shape(shape: str) -> tuple[str, ...]:
    """Name a shape's phases."""
    return tuple(symbol_of(char).words for char in shape)


def _ended(counted: OutcomeCount, *, alone: bool) -> str:
    after = "" if counted.outcome == "unresolved" or not counted.deeds else f", after {_listed(counted.deeds[-MAX_DEEDS:])}"
    said = f"{_ENDS[counted.outcome]}{after}"
    return said if alone else f"{_times(counted.times)} {said}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _since(first: datetime, last: datetime) -> str:
    month = f"{first:%B %Y}"
    return f"in {month}" if (first.year, first.month) == (last.year, last.month) else f"since {month}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
