"""Values of a minute or a longer span: how they merge, and how they are stored. No I/O.

A timing merges as a sketch, a counter is added. A level has been looked at several times in its minute: its mean and its highest
merge over processes and time; its last is the highest of what the processes said last, of the latest minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import zstandard

from app.alerts.series import SERIES
from app.telemetry import sketch
from app.telemetry.sketch import Sketch

Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Level:
    """A level that was looked at `count` times."""

    count: int = 0
    sum: float = 0.0
    max: float = float("-inf")
    last: float = float("-inf")

    def see(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.max = max(self.max, value)
        self.last = value


@dataclass(slots=True)
class CounterSum:
    sum: float = 0.0


Value: TypeAlias = Sketch | Level | CounterSum
Measured: TypeAlias = dict[str, dict[Key, Value]]
"""Series → labels → what was measured."""
_Stored: TypeAlias = list[tuple[list[str], list[int | float | list[int]]]]


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One step of a series, from `at` on (aware, UTC). Where nothing was measured `count` is 0 and the others None.

    timing: count, sum, mean, p50, p95, p99, max. counter: sum (count is the same, rounded). level: last, mean, max.
    """

    at: datetime
    count: int = 0
    sum: float = 0.0
    last: float | None = None
    max: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None


def point(at: datetime, value: Value | None) -> SeriesPoint:
    match value:
        case None:
            return SeriesPoint(at)
        case CounterSum(sum=total):
            return SeriesPoint(at, count=round(total), sum=total)
        case Level():
            return SeriesPoint(at, value.count, value.sum, last=value.last, max=value.max)
        case Sketch():
            p50, p95, p99, highest = (value.quantile(share) for share in (0.5, 0.95, 0.99, 1.0))
            return SeriesPoint(at, value.count, value.sum, max=highest, p50=p50, p95=p95, p99=p99)


def beside(values: Iterable[Value]) -> Value | None:
    """Merge values of the same time: of several processes, or several sets of labels. None: there are none."""
    made: Value | None = None
    for value in values:
        match made, value:
            case Sketch(), Sketch():
                made.merge(value)
            case CounterSum(), CounterSum():
                made.sum += value.sum
            case Level(), Level():
                _look_beside(made, value.count, value.sum, value.max, value.last)
            case _:
                made = _copy(value)
    return made


def append(whole: Measured, later: Measured) -> None:
    """Merge what came later into `whole`: the last value of a level is then the later one's."""
    for name, values in later.items():
        values_by_key = whole.setdefault(name, {})
        for key, value in values.items():
            match before := values_by_key.get(key), value:
                case Level(), Level():
                    _look_beside(before, value.count, value.sum, value.max, value.last)  # type: ignore[arg-type]
                    before.last = value.last  # type: ignore[union-attr]
                case None, _:
                    values_by_key[key] = _copy(value)
                case _, _:
                    assert before is not None
                    values_by_key[key] = beside((before, value)) or value


def packed(measured: Mapping[str, Mapping[Key, Value]]) -> bytes:
    """Write compressed JSON: series → [[labels, value], …]. A value: [layout, sum, buckets], [count, sum, max, last] or [sum]."""
    document = {name: [(key, _numbers(value)) for key, value in values.items()] for name, values in measured.items()}
    return zstandard.compress(msgspec.json.encode(document), 3)


class Reader:
    """Reads the wanted series out of stored bytes; the others are not even decoded."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if name in SERIES]
        fields: list[tuple[str, type, Any]] = [
            (f"f{place}", _Stored, msgspec.field(default_factory=list, name=name)) for place, name in enumerate(self._names)
        ]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Stored", fields))

    def add(self, into: Measured, data: bytes) -> None:
        """Merge what another process stored of the same time."""
        found = self._decoder.decode(zstandard.decompress(data))
        for place, name in enumerate(self._names):
            stored: _Stored = getattr(found, f"f{place}")
            if stored:
                _take(into.setdefault(name, {}), SERIES[name].kind, stored)


def _take(values_by_key: dict[Key, Value], kind: str, stored: _Stored) -> None:
    for labels, numbers in stored:
        key = tuple(labels)
        match kind, numbers:
            case "timing", [sketch.LAYOUT, float() | int() as total, list() as counts]:
                value = values_by_key.setdefault(key, Sketch())
                assert isinstance(value, Sketch)
                value.add_packed(counts, total)
            case "level", [int() as count, float() | int() as total, float() | int() as highest, float() | int() as last]:
                level = values_by_key.setdefault(key, Level())
                assert isinstance(level, Level)
                _look_beside(level, count, total, highest, last)
            case "counter", [float() | int() as total]:
                counted = values_by_key.setdefault(key, CounterSum())
                assert isinstance(counted, CounterSum)
                counted.sum += total
            case _:
                continue  # another version's: passed over


def _look_beside(level: Level, count: int, total: float, highest: float, last: float) -> None:
    level.count += count
    level.sum += total
    level.max = max(level.max, highest)
    level.last = max(level.last, last)


def _copy(value: Value) -> Value:
    match value:
        case Sketch():
            return Sketch(value.counts, value.sum)
        case Level():
            return Level(value.count, value.sum, value.max, value.last)
        case CounterSum():
            return CounterSum(value.sum)


def _numbers(value: Value) -> Sequence[object]:
    match value:
        case Sketch():
            return (sketch.LAYOUT, _short(value.sum), value.packed())
        case Level():
            return (value.count, _short(value.sum), _short(value.max), _short(value.last))
        case CounterSum():
            return (_short(value.sum),)


def _short(number: float) -> float:
    """Round to twelve digits: exact for counts and for a minute's sums of nano-dollars, without the tail of a float."""
    return float(f"{number:.12g}")
