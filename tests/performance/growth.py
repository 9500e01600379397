"""How a cost grows with what is stored: the fit, its words, and what a year of a team would cost by it. Measures nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from tests.performance.measure import percentile

DEVELOPERS, WORK_DAYS, SESSIONS_A_DAY, ITEMS_A_SESSION, CALLS_A_DAY = 50, 220, 5, 4, 100
"""What a team is taken to do in a year; nobody has counted it."""
FLAT = 0.1
WORDS = ((-FLAT, "falls"), (FLAT, "flat"), (0.2, "logarithmic-ish"), (0.7, "like a root"), (1.2, "linear"), (math.inf, "more than linear"))
BEND = 0.1
"""The last step is told apart from the fit where its exponent is so much higher: a constant part hides for long what grows beside it."""
Grows = Literal["items", "calls"]
YEAR: dict[Grows, int] = {
    "items": DEVELOPERS * WORK_DAYS * SESSIONS_A_DAY * ITEMS_A_SESSION,
    "calls": DEVELOPERS * WORK_DAYS * CALLS_A_DAY,
}


@dataclass(frozen=True, slots=True)
class Way:
    """A path that is measured: what one costs, beside how many of what."""

    name: str
    unit: str
    grows: Grows
    most: int


@dataclass(frozen=True, slots=True)
class Point:
    """Milliseconds beside `size` items or calls, of so many repetitions."""

    size: int
    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, size: int, milliseconds: Sequence[float]) -> Point:
        return cls(size, percentile(milliseconds, 0.5), percentile(milliseconds, 0.95), len(milliseconds))


@dataclass(frozen=True, slots=True)
class Fit:
    """cost = `factor` · N^`exponent`, by least squares of the logarithms. `last`: the exponent between the two largest alone."""

    factor: float
    exponent: float
    r2: float
    last: float

    def at(self, size: float) -> float:
        return float(self.factor * size**self.exponent)

    @property
    def word(self) -> str:
        words = dict.fromkeys((_word(self.exponent), _word(self.last)) if self.bends else (_word(self.exponent),))
        return ", at the end ".join(words)

    @property
    def bends(self) -> bool:
        return self.last >= max(FLAT, self.exponent + BEND)


@dataclass(frozen=True, slots=True)
class Grown:
    """A path with what was measured, smallest first."""

    way: Way
    points: tuple[Point, ...]

    @property
    def fit(self) -> Fit | None:
        """None for a single size."""
        return fitted([(each.size, each.p50) for each in self.points]) if len(self.points) > 1 else None

    def after_a_year(self) -> float | None:
        """The median by then: between two measured sizes, or beyond the last as steeply as the fit or the last step goes."""
        fit, size, last = self.fit, YEAR[self.way.grows], self.points[-1]
        if fit is None:
            return None
        for one, other in pairwise(self.points):
            if one.size <= size <= other.size:
                share = math.log(size / one.size) / math.log(other.size / one.size)
                return float(one.p50 * (other.p50 / one.p50) ** share)
        return float(last.p50 * (size / last.size) ** max(fit.exponent, fit.last, 0.0)) if size > last.size else None


def fitted(costs: Sequence[tuple[float, float]]) -> Fit:
    """(N, cost) of two sizes at least, ascending."""
    sizes, spent = np.log([size for size, _ in costs]), np.log([cost for _, cost in costs])
    exponent, constant = np.polyfit(sizes, spent, 1)
    residuals, total = float(np.sum((spent - (constant + exponent * sizes)) ** 2)), float(np.sum((spent - spent.mean()) ** 2))
    r2 = 1.0 if math.isclose(total, 0, abs_tol=1e-12) else 1 - residuals / total
    last = (spent[-1] - spent[-2]) / (sizes[-1] - sizes[-2])
    return Fit(math.exp(constant), float(exponent), r2, float(last))


def _word(exponent: float) -> str:
    return next(word for most, word in WORDS if exponent < most)


def headline(all_: Sequence[Grown]) -> str:
    """What the plot shows, in a line."""
    fits = [(each.way.name, each.fit) for each in all_]
    known = [(name, fit) for name, fit in fits if fit is not None]
    flat = [name for name, fit in known if fit.word in {"flat", "falls"}]
    growing = [f"{name} ({fit.word})" for name, fit in known if name not in flat]
    parts = [f"{_listed(flat)} {'cost' if len(flat) > 1 else 'costs'} the same however much is stored"] if flat else []
    parts += [f"what grows: {_listed(growing)}"] if growing else []
    line = "; ".join(parts) or "One size only: nothing to compare"
    return line[0].upper() + line[1:]


def milliseconds(value: float) -> str:
    """With as many digits as a person needs."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(all_: Sequence[Grown]) -> list[list[str]]:
    """Its head and its rows, as text."""
    sizes = sorted({point.size for each in all_ for point in each.points})
    head = ["path", "beside", *(f"{size:,}" for size in sizes)]
    rows = [[*head, "growth of p50", "ten times as many", "a year of 50"]]
    for each in all_:
        by_size = {point.size: f"{milliseconds(point.p50)} · {milliseconds(point.p95)}" for point in each.points}
        rows.append([f"{each.way.name}, {each.way.unit}", each.way.grows, *(by_size.get(size, "–") for size in sizes), *_growth(each)])
    return rows


def _growth(each: Grown) -> tuple[str, str, str]:
    fit, year = each.fit, each.after_a_year()
    if fit is None:
        return "–", "–", "–"
    times = f"×{10**fit.exponent:.2f}; last step ×{10**fit.last:.2f}"
    beyond = YEAR[each.way.grows] > each.points[-1].size
    return (
        f"{fit.word}: N^{fit.exponent:.2f}, R² {fit.r2:.2f}",
        times,
        "–" if year is None else f"{'about ' if beyond else ''}{milliseconds(year)}",
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
