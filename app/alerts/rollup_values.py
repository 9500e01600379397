"""The values of a roll-up, of a minute or a longer span: how they merge, and how they are encoded. No I/O; `rollups.py` reads rows.

A timing is a sketch, of which percentiles can be merged; a counter is a sum. A level (a gauge) was sampled several times a minute: mean
and max merge over processes and over time; `last` is the largest of the processes' last samples in the latest minute.
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
    """A level (a gauge) that was sampled `count` times."""

    count: int = 0
    sum: float = 0.0
    max: float = float("-inf")
    last: float = float("-inf")

    def observe(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.max = max(self.max, value)
        self.last = value


@dataclass(slots=True)
class CounterSum:
    """A counter's increase."""

    sum: float = 0.0


Value: TypeAlias = Sketch | Level | CounterSum
Measured: TypeAlias = dict[str, dict[Key, Value]]
"""Series → label values → value."""
_Encoded: TypeAlias = list[tuple[list[str], list[int | float | list[int]]]]
"""A series as `pack` encodes it."""


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


def to_point(at: datetime, value: Value | None) -> SeriesPoint:
    match value:
        case None:
            return SeriesPoint(at)
        case CounterSum(sum=total):
            return SeriesPoint(at, count=round(total), sum=total)
        case Level():
            return SeriesPoint(at, value.count, value.sum, last=value.last, max=value.max)
        case Sketch():
            p50, p95, p99, highest = value.quantiles((0.5, 0.95, 0.99, 1.0))
            return SeriesPoint(at, value.count, value.sum, max=highest, p50=p50, p95=p95, p99=p99)


def merge_same_time(values: Iterable[Value]) -> Value | None:
    """Merge values of the same time, of several processes or label sets. None if there are none."""
    made: Value | None = None
    for value in values:
        match made, value:
            case Sketch(), Sketch():
                made.merge(value)
            case CounterSum(), CounterSum():
                made.sum += value.sum
            case Level(), Level():
                _add_level(made, value.count, value.sum, value.max, value.last)
            case _:
                made = _copy(value)
    return made


def merge_later(whole: Measured, later: Measured) -> None:
    """Merge values of a later time into `whole`: a level's `last` becomes the later one."""
    for name, values in later.items():
        values_by_key = whole.setdefault(name, {})
        for key, value in values.items():
            match before := values_by_key.get(key), value:
                case Level(), Level():
                    _add_level(before, value.count, value.sum, value.max, value.last)  # type: ignore[arg-type]
                    before.last = value.last  # type: ignore[union-attr]
                case None, _:
                    values_by_key[key] = _copy(value)
                case _, _:
                    assert before is not None
                    values_by_key[key] = merge_same_time((before, value)) or value


def pack(measured: Mapping[str, Mapping[Key, Value]]) -> bytes:
    """Encode as compressed JSON: series → [[labels, value], …]; a timing as [layout, sum, buckets], a level as [count, sum, max, last], a
    counter as [sum].
    """
    document = {name: [(key, _numbers(value)) for key, value in values.items()] for name, values in measured.items()}
    return zstandard.compress(msgspec.json.encode(document), 3)


class RollupDecoder:
    """Decodes the wanted series from packed bytes; other series are skipped undecoded."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if name in SERIES]
        fields: list[tuple[str, type, Any]] = [
            (f"f{place}", _Encoded, msgspec.field(default_factory=list, name=name)) for place, name in enumerate(self._names)
        ]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Encoded", fields))

    def merge_into(self, measured: Measured, data: bytes) -> None:
        """Merge packed values of the same time, such as another process's, into `measured`."""
        found = self._decoder.decode(zstandard.decompress(data))
        for place, name in enumerate(self._names):
            encoded: _Encoded = getattr(found, f"f{place}")
            if encoded:
                _merge_encoded(measured.setdefault(name, {}), SERIES[name].kind, encoded)


def _merge_encoded(values_by_key: dict[Key, Value], kind: str, encoded: _Encoded) -> None:
    for labels, numbers in encoded:
        key = tuple(labels)
        match kind, numbers:
            case "timing", [sketch.LAYOUT, float() | int() as total, list() as counts]:
                value = values_by_key.setdefault(key, Sketch())
                assert isinstance(value, Sketch)
                value.add_packed(counts, total)
            case "level", [int() as count, float() | int() as total, float() | int() as highest, float() | int() as last]:
                level = values_by_key.setdefault(key, Level())
                assert isinstance(level, Level)
                _add_level(level, count, total, highest, last)
            case "counter", [float() | int() as total]:
                counted = values_by_key.setdefault(key, CounterSum())
                assert isinstance(counted, CounterSum)
                counted.sum += total
            case _:
                continue  # encoded by another version: ignored


def _add_level(level: Level, count: int, total: float, highest: float, last: float) -> None:
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
