"""CSV for a spreadsheet: no cell is run, whatever stands before its formula."""

from __future__ import annotations

import csv
import io

import pytest

from app.web import spreadsheet

SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "−", "﹦"]
BEFORE = ["", " ", "   ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\x0b", "\x00", "\t", "\r", "\n", "\r\n", " \t"]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("sign", SIGNS)
def test_a_formula_is_quoted_whatever_stands_before_it(sign: str, before: str) -> None:
    cell = f"{before}{sign}cmd|' /C calc'!A0"
    assert spreadsheet.escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["\tplain", "\rplain", "\nplain"])
def test_a_cell_that_begins_with_a_tab_or_a_break_is_quoted(cell: str) -> None:
    assert spreadsheet.escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["ada", "  ada", "a=b", "1.50", "ümlaut", "", " ", 5, -5, None, 1.5, "-1.50", "-0.000000001"])
def test_everything_else_stays_as_it_is(cell: object) -> None:
    assert spreadsheet.escape_formula(cell) == cell


@pytest.mark.parametrize("cell", ["-1+1", "--1", "-1.", "-1e5", "-", "- 1", "+1", "-1\n", "-١"])
def test_what_is_more_than_a_number_is_quoted(cell: str) -> None:
    assert spreadsheet.escape_formula(cell) == f"'{cell}"


def test_a_line_reads_back_as_its_cells() -> None:
    line = spreadsheet.line(["a,b", 'c"d', " =1+1", -3])
    assert next(csv.reader(io.StringIO(line))) == ["a,b", 'c"d', "' =1+1", "-3"]
