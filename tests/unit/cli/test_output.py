"""What commands print: tables for people and for pipes, ages, texts cut at words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from app.cli.ages import dated
from app.cli.output import PlainTable, shortened, table

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-29T00:01:00Z", "2026-11-29, from today"),
        ("2026-11-28T23:59:00+00:00", "2026-11-28, 1 day old"),
        ("2026-02-20T10:00:00Z", "2026-02-20, 9 months old"),
        ("2020-11-29", "2020-11-29, 6 years old"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_day_is_told_with_its_age(moment: str, told: str) -> None:
    assert dated(moment, NOW) == told


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("short", "short"),
        ("the departures of tomorrow", "the departures of …"),
        ("antidisestablishmentarianism", "antidisestablishment …"),
        ("one, two, three, four, five", "one, two, three …"),
        ("漢字" * 20, "漢字" * 10 + " …"),
    ],
)
def test_a_text_is_cut_at_the_end_of_a_word(text: str, cut: str) -> None:
    assert shortened(text, 20) == cut


def test_a_table_is_lines_of_tabs_where_no_terminal_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    made = table(
        [{"name": "a\tb\nc", "at": "2026-11-29T23:34:24.876135Z", "by": None, "count": 3}],
        {"name": "Name", "at": "Since", "by": "By", "count": "Count"},
    )
    assert isinstance(made, PlainTable)
    Console(width=200).print(made)
    assert capsys.readouterr().out == "Name\tSince\tBy\tCount\na b c\t2026-11-29 23:34\t\t3\n"
