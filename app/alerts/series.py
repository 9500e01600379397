"""Every series of the roll-ups by name: the measures that are rolled up (telemetry/measures.py). docs/reference/rollups.md lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.telemetry.measures import MEASURES
from app.telemetry.registry import Declaration, Kind


@dataclass(frozen=True, slots=True)
class Series:
    """A measure that is kept by the minute: a timing, a counter or a level, for each set of labels."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    what: str


def series_of(declared: Iterable[Declaration]) -> dict[str, Series]:
    """Derive the series of declared measures."""
    made = {}
    for each in declared:
        if (rolled := each.rolled) is not None:
            kind: Kind = "counter" if rolled.summed else each.kind
            labels = each.labels if rolled.labels is None else rolled.labels
            made[rolled.series] = Series(rolled.series, kind, labels, rolled.unit, rolled.what or each.what)
    return made


SERIES = series_of(MEASURES.declared)
