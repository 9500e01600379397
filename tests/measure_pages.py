"""Writes the tables of docs/reference/metrics.md and rollups.md from what is declared: python -m tests.measure_pages; a test compares."""

from __future__ import annotations

from pathlib import Path

from app.alerts.series import SERIES
from app.telemetry.measures import MEASURES
from app.telemetry.registry import Declaration, Timing

DOCS = Path(__file__).resolve().parent.parent / "docs" / "reference"
METRICS, ROLLUPS = DOCS / "metrics.md", DOCS / "rollups.md"
METRICS_HEAD = "| metric | type | labels | series | what |\n| --- | --- | --- | --- | --- |\n"
ROLLUPS_HEAD = "| series | kind | labels | unit | what |\n| --- | --- | --- | --- | --- |\n"


def metrics_table() -> str:
    """Write every metric as Prometheus shows it, with the series that it is rolled up into."""
    return METRICS_HEAD + "".join(_metric(each) for each in MEASURES.declared if each.metric is not None)


def rollups_table() -> str:
    """Write every series."""
    rows = (
        f"| `{each.name}` | {each.kind} | {_names(each.labels)} | {each.unit} | {_without_stop(each.description)} |\n"
        for each in SERIES.values()
    )
    return ROLLUPS_HEAD + "".join(rows)


def with_table(page: str, head: str, table: str) -> str:
    """Replace the page's table: from its head to the first line that is no row."""
    before, found, after = page.partition(head)
    assert found, f"the page lacks the table's head:\n{head}"
    lines = after.splitlines(keepends=True)
    rows = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + table + "".join(lines[rows:])


def _metric(each: Declaration) -> str:
    kind = "histogram" if isinstance(each.source, Timing) else "gauge" if each.kind == "level" else "counter"
    name = f"{each.metric}_total" if kind == "counter" else each.metric
    series = f"`{each.roll_up.series}`" if each.roll_up is not None else "–"
    return f"| `{name}` | {kind} | {_names(each.labels)} | {series} | {_without_stop(each.description)} |\n"


def _names(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "–"


def _without_stop(what: str) -> str:
    return what.removesuffix(".")


def main() -> None:
    METRICS.write_text(with_table(METRICS.read_text(), METRICS_HEAD, metrics_table()))
    ROLLUPS.write_text(with_table(ROLLUPS.read_text(), ROLLUPS_HEAD, rollups_table()))


if __name__ == "__main__":
    main()
