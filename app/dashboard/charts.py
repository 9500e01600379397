"""Charts as data. Texts are written here; the browser's library only draws. The same data is the table behind a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.money import to_usd

MAX_SERIES = 7
OTHERS = "others"
TONES = {"groq": 1, "anthropic": 2, "openai": 3, "gemini": 4, "local": 5, OTHERS: 7, "spent": 1, "stuck": 4, "blocked": 3, "off track": 6}
"""Fixed colours: a provider, or a kind of trouble, has the same one in every chart."""


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One series of a chart. `values` give the geometry (None: not measured), `shown` the texts, `tone` the colour, 1 to 7."""

    name: str
    tone: int
    values: tuple[float | None, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `labels` are those of the axis, `titles` the same in full; `prefix` and `unit` stand around the axis' numbers.

    `rows`: what the rows of the table behind it are.
    """

    id: str
    kind: Literal["stacked", "lines"]
    title: str
    labels: tuple[str, ...]
    titles: tuple[str, ...]
    series: tuple[ChartSeries, ...]
    totals: tuple[str, ...] = ()
    prefix: str = ""
    unit: str = ""
    rows: str = "Day"

    @property
    def empty(self) -> bool:
        return not any(value for each in self.series for value in each.values)

    @property
    def axis(self) -> dict[str, object]:
        """Return the labels of the time axis, as JSON data: lines over the same time share them."""
        return {"labels": self.labels, "titles": self.titles}

    @property
    def geometry(self) -> dict[str, object]:
        """Return lines as JSON data without their axis and their texts, which the script writes from the values and the unit."""
        series = [{"name": each.name, "tone": each.tone, "values": each.values} for each in self.series]
        return {"kind": self.kind, "series": series, "totals": (), "prefix": "", "unit": self.unit}

    def data(self) -> dict[str, object]:
        """Return the whole chart as JSON data for the browser's script."""
        series = [{"name": each.name, "tone": each.tone, "values": each.values, "shown": each.shown} for each in self.series]
        return {
            "kind": self.kind,
            "labels": self.labels,
            "titles": self.titles,
            "series": series,
            "totals": self.totals,
            "prefix": self.prefix,
            "unit": self.unit,
        }


def of_money(
    id_: str,
    title: str,
    columns: Sequence[tuple[str, str]],
    amounts: Mapping[str, Sequence[int]],
    *,
    write: Callable[[int], str],
) -> Chart:
    """Make stacked bars of nano-dollars. `columns`: (label, title); `amounts` by series: the largest first, the smallest as "others"."""
    ordered = sorted(amounts, key=lambda each: (-sum(amounts[each]), each))
    kept, rest = (ordered, []) if len(ordered) <= MAX_SERIES else (ordered[: MAX_SERIES - 1], ordered[MAX_SERIES - 1 :])
    rows = [(each, list(amounts[each])) for each in kept]
    if rest:
        rows.append((OTHERS, [sum(column) for column in zip(*(amounts[each] for each in rest), strict=True)]))
    totals = [sum(column) for column in zip(*(row for _, row in rows), strict=True)] if rows else [0] * len(columns)
    return Chart(
        id=id_,
        kind="stacked",
        title=title,
        labels=tuple(label for label, _ in columns),
        titles=tuple(full for _, full in columns),
        series=tuple(
            ChartSeries(each, tone, tuple(to_usd(value) for value in row), tuple(write(value) for value in row))
            for (each, row), tone in zip(rows, tones([each for each, _ in rows]), strict=True)
        ),
        totals=tuple(write(total) for total in totals),
        prefix="$",
    )


def lines(
    id_: str, title: str, labels: tuple[str, ...], titles: tuple[str, ...], values: Mapping[str, Sequence[float | None]], *, unit: str
) -> Chart:
    """Make lines over time, with a gap where nothing was measured."""
    return Chart(
        id=id_,
        kind="lines",
        title=title,
        labels=labels,
        titles=titles,
        series=tuple(
            ChartSeries(name, tone, tuple(row), tuple("–" if each is None else f"{each:,.10g}{unit}" for each in row))
            for tone, (name, row) in enumerate(values.items(), start=1)
        ),
        unit=unit,
        rows="From",
    )


def tones(names: Sequence[str]) -> list[int]:
    """Assign each name its fixed colour if it has one, else a free one."""
    free = [tone for tone in (6, 5, 4, 3, 2, 1, 7) if tone not in {TONES.get(name) for name in names}]
    return [TONES.get(name) or (free.pop(0) if free else 7) for name in names]
