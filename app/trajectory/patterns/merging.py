"""Merges occurrences of trouble into patterns: same project, same class of failure, alike in shape. A function of their set alone; pure.

No count is kept: patterns are derived from the occurrences that there are, so that a purge, a merge of projects and an analysis done anew
leave them exact, and the order in which sessions came changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from statistics import median
from typing import Final
from uuid import UUID

from app.trajectory.events.normal import digest
from app.trajectory.patterns.endings import TroubleOutcome
from app.trajectory.sequences import common_ratios
from app.trajectory.shapes.phases import symbol_of

MIN_RATIO: Final = 0.5
"""Likeness of two failing shapes of one pattern: twice their longest common subsequence as a share of both lengths."""
HALF_LIFE_DAYS: Final = 90
"""Age at which an occurrence weighs half."""
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class TroubleOccurrence:
    """An episode as it is counted. `at`: when it began, or when its session came. `seconds`: how long it took to end; None: unknown."""

    session_id: UUID
    project_id: UUID
    told: int
    first: int
    last: int
    trouble: str
    family: str
    signature: int
    failing: str
    ended: str
    outcome: TroubleOutcome
    seconds: float | None
    at: datetime

    @property
    def order(self) -> tuple[datetime, UUID, int]:
        """Return by what occurrences are ordered, the earliest first."""
        return self.at, self.session_id, self.told


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Occurrences that ended so. `deeds`: phases that followed in each of them, before what shows the end. `seconds`: how long it took, the median."""

    outcome: TroubleOutcome
    times: int
    deeds: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class TroublePattern:
    """Occurrences of one kind of trouble in a project, at least one, the earliest first, and what they come to.

    `id`: stays while the earliest occurrence does. `troubles`: what it was told as (a loop's rung, or a health), with how often.
    `failing`: the commonest shape, of equals the shortest. `outcomes`: the commonest first, last what nothing shows the end of.
    `sessions`: the latest first. `weight`: occurrences weighed by their age, see `aged`.
    """

    id: str
    project_id: UUID
    family: str
    troubles: Mapping[str, int]
    failing: str
    outcomes: Sequence[OutcomeCount]
    sessions: Sequence[UUID]
    occurrences: Sequence[TroubleOccurrence]
    weight: float

    @property
    def times(self) -> int:
        return len(self.occurrences)

    def holds(self, session_id: UUID, told: int) -> bool:
        """Tell whether a session's episode is one of its occurrences."""
        return any((each.session_id, each.told) == (session_id, told) for each in self.occurrences)

    def without(self, session_id: UUID) -> TroublePattern | None:
        """Return what is known of it from other sessions, under the same id; None: nothing."""
        others = [each for each in self.occurrences if each.session_id != session_id]
        return replace(_pattern(others), id=self.id) if others else None


@lru_cache(maxsize=4_096)
def reduced(shape: str) -> str:
    """Return a shape with each stretch that repeats at once told once, so that three rounds of a loop are as two."""
    period = 1
    while period <= len(shape) // 2:
        place = next((at for at in range(len(shape) - 2 * period + 1) if _repeats(shape, at, period)), None)
        if place is None:
            period += 1
        else:
            shape, period = shape[:place] + shape[place + period :], 1
    return shape


def _repeats(shape: str, at: int, period: int) -> bool:
    return shape[at : at + period] == shape[at + period : at + 2 * period]


def aged(times: float, at: datetime) -> float:
    """Weigh what occurred at a time, in units of a fixed day: all weights age alike, so that their order never changes by itself."""
    return float(times * 2 ** ((at - _EPOCH).total_seconds() / _DAY_SECONDS / HALF_LIFE_DAYS))


def patterns_of(occurrences: Iterable[TroubleOccurrence]) -> list[TroublePattern]:
    """Merge occurrences into patterns, the weightiest first."""
    buckets: defaultdict[tuple[UUID, int], list[TroubleOccurrence]] = defaultdict(list)
    for each in sorted(occurrences, key=lambda each: each.order):
        buckets[each.project_id, each.signature].append(each)
    found = [_pattern(group) for bucket in buckets.values() for group in _alike(bucket)]
    return sorted(found, key=lambda each: (-each.weight, each.id))


def _alike(bucket: Sequence[TroubleOccurrence]) -> list[list[TroubleOccurrence]]:
    """Part occurrences of one class into groups: two of like shape are in one, and so is what is like either (single linkage)."""
    groups = _linked(sorted({reduced(each.failing) for each in bucket}))
    parted: defaultdict[int, list[TroubleOccurrence]] = defaultdict(list)
    for each in bucket:
        parted[groups[reduced(each.failing)]].append(each)
    return list(parted.values())


def _linked(shapes: Sequence[str]) -> dict[str, int]:
    """Number the connected groups of shapes that are alike."""
    groups: dict[str, int] = {}
    for number, shape in enumerate(shapes):
        waiting = [] if shape in groups else [shape]
        groups.setdefault(shape, number)
        while waiting:
            left = [each for each in shapes if each not in groups]
            ratios = common_ratios(waiting.pop(), left)
            near = [each for each, ratio in zip(left, ratios.tolist(), strict=True) if ratio >= MIN_RATIO]
            groups |= dict.fromkeys(near, number)
            waiting += near
    return groups


def _pattern(occurrences: Sequence[TroubleOccurrence]) -> TroublePattern:
    """Sum up occurrences, the earliest first."""
    first = occurrences[0]
    troubles = Counter(each.trouble for each in occurrences)
    by: defaultdict[TroubleOutcome, list[TroubleOccurrence]] = defaultdict(list)
    for each in occurrences:
        by[each.outcome].append(each)
    outcomes = [_counted(outcome, group) for outcome, group in by.items()]
    return TroublePattern(
        id=f"{digest(f'{first.project_id} {first.signature} {reduced(first.failing)}'):016x}",
        project_id=first.project_id,
        family=first.family,
        troubles=dict(sorted(troubles.items(), key=lambda each: (-each[1], each[0]))),
        failing=_commonest(reduced(each.failing) for each in occurrences),
        outcomes=sorted(outcomes, key=lambda each: (each.outcome == "unresolved", -each.times, each.outcome)),
        sessions=list(dict.fromkeys(each.session_id for each in reversed(occurrences))),
        occurrences=occurrences,
        weight=sum(aged(1, each.at) for each in occurrences),
    )


def _counted(outcome: TroubleOutcome, group: Sequence[TroubleOccurrence]) -> OutcomeCount:
    """Count a group, and name what all of its members did after the trouble, in the order of the earliest: up to what shows the end."""
    until = None if outcome == "unresolved" else -1
    deeds = [dict.fromkeys(symbol_of(char).words for char in each.ended[:until]) for each in group]
    common = tuple(each for each in deeds[0] if all(each in others for others in deeds))
    known = [each.seconds for each in group if each.seconds is not None]
    return OutcomeCount(outcome, len(group), common, median(known) if known else None)


def _commonest(shapes: Iterable[str]) -> str:
    counted = Counter(shapes)
    return min(counted, key=lambda each: (-counted[each], len(each), each))
