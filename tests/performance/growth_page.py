"""Growth as a picture and as a section of a page: what stands between two marks is made anew, all else is left as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import altair as alt

from tests.performance.growth import DEVELOPERS, YEAR, Grown, Point, headline, table

BEGIN, END = "<!-- growth: begin, written by tests/performance/measure_growth.py -->", "<!-- growth: end -->"
PICTURE, PAGE = "growth.svg", "performance.md"
COLUMNS, WIDTH, HEIGHT = 3, 230, 190
CLOSE_DECADES = 3
PAPER, INK, FAINT, GUIDE, MEDIAN, TAIL = "#fffffe", "#1f2328", "#d0d7df", "#7d8590", "#0969da", "#bc4c00"
DARK = {PAPER: "#0d1117", INK: "#e6edf3", FAINT: "#30363d", GUIDE: "#848d97", MEDIAN: "#58a6ff", TAIL: "#f0883e"}
"""Of each colour, what stands for it where the reader's system is dark."""
SERIES = {"p50": (MEDIAN, [1, 0]), "p95": (TAIL, [1, 0]), "fit of p50": (INK, [6, 4]), "linear, for comparison": (GUIDE, [2, 3])}


def write(folder: Path, all_: Sequence[Grown], made: str) -> list[Path]:
    """Both files. `made`: when, on what, under which load."""
    picture, page = folder / PICTURE, folder / PAGE
    before, begin, rest = (page.read_text() if page.exists() else f"{BEGIN}{END}\n").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} lacks the marks between which the figures go: {BEGIN} and {END}")
    picture.write_text(plot(all_, made))
    page.write_text(f"{before}{BEGIN}\n{markdown(all_, made)}\n{END}{after}")
    return [picture, page]


def markdown(all_: Sequence[Grown], made: str) -> str:
    head, *rows = table(all_)
    lines = [head, ["---"] * len(head), *rows]
    year = f"A year of {DEVELOPERS} is taken as {YEAR['items']:,} items and {YEAR['calls']:,} calls; “about”: beyond what was measured."
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{made} {year}\n\n![{headline(all_)}]({PICTURE})\n\n{grid}"


def plot(all_: Sequence[Grown], made: str) -> str:
    """SVG: a panel a path. All have the same axes, so that a slope means the same in each."""
    sizes = [point.size for each in all_ for point in each.points]
    costs = [cost for each in all_ for point in each.points for cost in (point.p50, point.p95)]
    across, up = [min(sizes) / 1.3, max(sizes) * 1.3], [min(costs) / 2, max(costs) * 2]
    chart = (
        alt.concat(*(_panel(each, across, up) for each in all_), columns=COLUMNS, spacing=28)
        .resolve_scale(color="shared", strokeDash="shared")
        .properties(title=alt.TitleParams(_wrapped(headline(all_)), subtitle=_wrapped(made), anchor="start", offset=18), background=PAPER)
        .configure(font="system-ui, sans-serif", padding=16)
        .configure_view(stroke=None)
        .configure_title(color=INK, subtitleColor=INK, fontSize=15, subtitleFontSize=12)
        .configure_axis(labelColor=INK, titleColor=INK, gridColor=FAINT, domainColor=INK, tickColor=INK, titleFontWeight="normal")
        .configure_legend(
            labelColor=INK, orient="bottom", title=None, symbolStrokeWidth=2, symbolType="stroke", symbolSize=400, labelFontSize=12
        )
    )
    drawn = io.StringIO()
    chart.save(drawn, format="svg")
    return _themed(drawn.getvalue(), headline(all_))


def _panel(each: Grown, across: Sequence[float], up: Sequence[float]) -> alt.LayerChart | alt.FacetChart:
    x = alt.X("size:Q", scale=alt.Scale(type="log", domain=list(across), nice=False), title=f"{each.way.grows} stored")
    x = x.axis(format="~s", values=[point.size for point in each.points], grid=False)
    y = alt.Y("cost:Q", scale=alt.Scale(type="log", domain=list(up), nice=False), title=each.way.unit).axis(format="~r", values=_ticks(up))
    names = list(SERIES)
    color = alt.Color("series:N", scale=alt.Scale(domain=names, range=[color for color, _ in SERIES.values()]))
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=[dash for _, dash in SERIES.values()]))
    measured = [{"size": point.size, "cost": cost, "series": name} for point in each.points for name, cost in _costs(point)]
    lines = alt.Chart(alt.InlineData(measured)).mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36, filled=True))
    guides = alt.Chart(alt.InlineData(_guides(each))).mark_line(strokeWidth=1.5, clip=True)
    fit = each.fit
    told = "one size only" if fit is None else f"{fit.word}: N^{fit.exponent:.2f}"
    title = alt.TitleParams(each.way.name, subtitle=told, anchor="start", fontSize=13, subtitleFontSize=11)
    layers = [layer.encode(x=x, y=y, color=color, strokeDash=dash) for layer in (lines, guides)]
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)


def _ticks(up: Sequence[float]) -> list[float]:
    """1, 2, 5 of each power of ten; over many decades the powers alone."""
    powers = range(math.floor(math.log10(up[0])), math.ceil(math.log10(up[1])) + 1)
    steps = (1, 2, 5) if math.log10(up[1] / up[0]) < CLOSE_DECADES else (1,)
    return [step * 10.0**power for power in powers for step in steps]


def _costs(point: Point) -> list[tuple[str, float]]:
    return [("p50", point.p50), ("p95", point.p95)]


def _guides(each: Grown) -> list[dict[str, object]]:
    """The fitted line, and what linear growth from the first point would be."""
    first, last = each.points[0], each.points[-1]
    rows: list[dict[str, object]] = [
        {"size": size, "cost": first.p50 * size / first.size, "series": "linear, for comparison"} for size in (first.size, last.size)
    ]
    if (fit := each.fit) is not None:
        rows += [{"size": size, "cost": fit.at(size), "series": "fit of p50"} for size in (first.size, last.size)]
    return rows


def _wrapped(line: str, most: int = 100) -> list[str]:
    lines = [""]
    for word in line.split():
        if len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _themed(svg: str, title: str) -> str:
    """With a name for those who can't see it, and colours for dark surroundings."""
    rules = "".join(f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items())
    head, bracket, rest = svg.partition(">")
    named = f"<title>{escape(title)}</title><style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return f'{head} role="img"{bracket}{named}{rest}\n'
