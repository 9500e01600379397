"""The series of the roll-ups: the measures that telemetry/measures.py declares with a roll-up. Listed in docs/reference/rollups.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.telemetry.measures import MEASURES
from app.telemetry.registry import Declaration, Kind


@dataclass(frozen=True, slots=True)
class Series:
    """A measure that is recorded by the minute, for each set of labels: a timing (distribution), a counter or a level (gauge)."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    description: str


def series_of(declared: Iterable[Declaration]) -> dict[str, Series]:
    """Derive the series of declared measures."""
    found = {}
    for each in declared:
        if (roll_up := each.roll_up) is not None:
            kind: Kind = "counter" if roll_up.summed else each.kind
            labels = each.labels if roll_up.labels is None else roll_up.labels
            found[roll_up.series] = Series(roll_up.series, kind, labels, roll_up.unit, roll_up.description or each.description)
    return found


SERIES = series_of(MEASURES.declared)
