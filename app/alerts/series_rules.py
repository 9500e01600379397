"""Rules about series: a threshold, how long it must be crossed, and the value at which the alert ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from app.alerts.rule import NamedRule
from app.alerts.series import SERIES

Take = Literal["p50", "p95", "p99", "mean", "max", "last", "sum", "share"]
TAKES: Mapping[str, frozenset[Take]] = {
    "timing": frozenset({"p50", "p95", "p99", "mean", "max", "sum"}),
    "counter": frozenset({"sum", "share"}),
    "level": frozenset({"mean", "max", "last"}),
}
"""The statistics that a series of each kind has."""
PROBES: Mapping[str, tuple[str, ...]] = {"budget.used_early": ("developer",)}
"""Levels that are not recorded in roll-ups but read when rules are evaluated, each with its labels."""


class SeriesRule(NamedRule):
    """A rule about a series. `take`: which statistic of the last `window_seconds`; with `share`, `series` divided by the series `of`.

    Exactly one of `above` and `below` is set: the threshold. The alert ends past `clear` (hysteresis). `each`: labels, for each of whose
    values there is an alert of its own. `min_count`: with fewer measurements the rule has no value.
    """

    series: str
    of: str | None = None
    take: Take
    each: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    clear: float
    for_seconds: float = Field(300, ge=0, le=86_400)
    clear_seconds: float = Field(120, ge=0, le=86_400)
    window_seconds: int = Field(120, ge=60, le=3600)
    min_count: int = Field(1, ge=1)
    severity: Literal["warning", "critical"] = "warning"

    @property
    def threshold(self) -> float:
        found = self.above if self.above is not None else self.below
        assert found is not None
        return found

    def breached(self, value: float) -> bool:
        """Tell whether a value is past the threshold."""
        return value > self.threshold if self.above is not None else value < self.threshold

    def quiet(self, value: float) -> bool:
        """Tell whether a value is back past `clear`, so that a firing alert may end."""
        return value <= self.clear if self.above is not None else value >= self.clear

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("a rule needs either above or below")
        if self.breached(self.clear):
            raise ValueError("clear must not lie beyond the threshold: set it to the threshold, or to a value on the normal side of it")
        labels, kind = PROBES.get(self.series), "level"
        if labels is None:
            if self.series not in SERIES:
                raise ValueError(f"there is no series {self.series!r}: docs/reference/rollups.md lists them")
            labels, kind = SERIES[self.series].labels, SERIES[self.series].kind
        if self.take not in TAKES[kind]:
            raise ValueError(f"take = {self.take!r} doesn't fit {self.series}, a {kind}; it has: {', '.join(sorted(TAKES[kind]))}")
        if (self.of is not None) != (self.take == "share") or (self.of is not None and self.of not in SERIES):
            raise ValueError('take = "share" and of = "…", the name of a counter, belong together')
        if unknown := set(self.each) - set(labels):
            raise ValueError(f"{self.series} has no label {', '.join(sorted(unknown))}; it has: {', '.join(labels) or 'none'}")
        return self
