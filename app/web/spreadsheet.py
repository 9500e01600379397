"""CSV for people who open it in a spreadsheet: what begins like a formula is quoted as text, so that nobody's name or note is run."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

FORMULA = frozenset("=+-@\t\r")


def line(cells: Sequence[object]) -> str:
    held = io.StringIO()
    csv.writer(held).writerow([harmless(each) for each in cells])
    return held.getvalue()


def harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in FORMULA else cell
