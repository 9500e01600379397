"""CSV for people who open it in a spreadsheet: what begins like a formula is quoted as text, so that nobody's name or note is run."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b")
"""What a spreadsheet takes for a formula's beginning; full-width, small and typographic signs too, which some read as the plain ones."""
BREAKS = frozenset("\t\r\n")
"""At a cell's beginning some spreadsheets skip them, others begin a new cell there."""


def line(cells: Sequence[object]) -> str:
    held = io.StringIO()
    csv.writer(held).writerow([harmless(each) for each in cells])
    return held.getvalue()


def harmless(cell: object) -> object:
    """The cell, with an apostrophe before what would be run: also behind white space and what can't be seen, which importers strip."""
    if not isinstance(cell, str) or not cell:
        return cell
    seen = next((char for char in cell if not _invisible(char)), "")
    return f"'{cell}" if seen in FORMULA or cell[0] in BREAKS else cell


def _invisible(char: str) -> bool:
    """White space, controls, formats (a byte-order mark, a zero-width space), what has no meaning."""
    return char.isspace() or unicodedata.category(char).startswith(("C", "Z"))
