"""One value of a series for one set of labels: what merges how, how it is stored. No I/O.

A timing merges as a sketch, a counter is added. A level has been looked at several times in its minute: its mean and its highest
merge over processes and time; its last is the highest of what the processes said last, of the latest minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from app.alerts.series import SERIES, Kind
from app.telemetry import sketch
from app.telemetry.sketch import Sketch

Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Level:
    """`count` looks at something that stands."""

    count: int
    sum: float
    most: float
    last: float

    @classmethod
    def seen(cls, value: float) -> Level:
        return cls(1, value, value, value)


@dataclass(slots=True)
class Counted:
    sum: float


Value: TypeAlias = Sketch | Level | Counted
Values: TypeAlias = dict[Key, Value]


@dataclass(frozen=True, slots=True)
class Point:
    """A step of a series, from `at` on (aware, UTC). Nothing was measured: `count` 0, and None where there is nothing to say.

    timing: count, sum, p50, p95, p99, most. counter: sum (count is the same, rounded). level: last, mean, most.
    """

    at: datetime
    count: int = 0
    sum: float = 0.0
    last: float | None = None
    most: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None


def point(at: datetime, value: Value | None) -> Point:
    match value:
        case None:
            return Point(at)
        case Counted(sum=total):
            return Point(at, count=round(total), sum=total)
        case Level():
            return Point(at, value.count, value.sum, last=value.last, most=value.most)
        case Sketch():
            p50, p95, p99, most = (value.quantile(share) for share in (0.5, 0.95, 0.99, 1.0))
            return Point(at, value.count, value.sum, most=most, p50=p50, p95=p95, p99=p99)


def beside(value: Value | None, other: Value) -> Value:
    """Both, of the same minute: of two processes."""
    match value, other:
        case Sketch(), Sketch():
            value.merge(other)
            return value
        case Counted(), Counted():
            return Counted(value.sum + other.sum)
        case Level(), Level():
            return Level(value.count + other.count, value.sum + other.sum, max(value.most, other.most), max(value.last, other.last))
        case _:
            return _own(other)


def after(value: Value | None, other: Value) -> Value:
    """Both, the other one later."""
    made = beside(value, other)
    if isinstance(made, Level) and isinstance(other, Level):
        made.last = other.last
    return made


def _own(value: Value) -> Value:
    """A copy: what is merged into must be nobody else's."""
    match value:
        case Sketch():
            return Sketch(value.counts, value.sum)
        case Level():
            return Level(value.count, value.sum, value.most, value.last)
        case Counted():
            return Counted(value.sum)


def packed(values: Mapping[Key, Value]) -> list[list[Any]]:
    return [[list(key), _packed(value)] for key, value in values.items()]


def unpacked(name: str, stored: Sequence[Sequence[Any]]) -> Values:
    """Of a series; what another version stored under another grid is passed over."""
    kind, made = SERIES[name].kind, Values()
    for key, value in stored:
        if (found := _unpacked(kind, value)) is not None:
            made[tuple(key)] = found
    return made


def _packed(value: Value) -> list[Any]:
    match value:
        case Sketch():
            return [sketch.LAYOUT, round(value.sum, 6), value.packed()]
        case Level():
            return [value.count, *(float(f"{each:.6g}") for each in (value.sum, value.most, value.last))]
        case Counted():
            return [value.sum]


def _unpacked(kind: Kind, stored: Sequence[Any]) -> Value | None:
    match kind, stored:
        case "timing", [sketch.LAYOUT, total, counts]:
            return Sketch.unpacked(counts, total)
        case "level", [count, total, most, last]:
            return Level(count, total, most, last)
        case "counter", [total]:
            return Counted(total)
        case _:
            return None
