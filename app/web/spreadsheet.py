"""CSV that is safe to open in a spreadsheet: cells that begin like a formula are escaped (no CSV injection)."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence

from starlette.responses import Response

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b")
"""Characters that begin a formula; also the full-width, small and typographic ones, which some spreadsheets normalise."""
BREAKS = frozenset("\t\r\n")
"""At the beginning of a cell some spreadsheets skip these, others start a new cell."""

MEDIA_TYPE = "text/csv; charset=utf-8"


def file_headers(name: str) -> dict[str, str]:
    """Return the headers of a file that a browser saves under this name, and that no cache keeps."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def file(name: str, content: str) -> Response:
    """Answer with a whole file."""
    return Response(content, media_type=MEDIA_TYPE, headers=file_headers(name))


def line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([escape_formula(each) for each in cells])
    return buffer.getvalue()


def escape_formula(cell: object) -> object:
    """Prefix a formula with an apostrophe; also behind white space and invisible characters, which importers strip."""
    if not isinstance(cell, str) or not cell:
        return cell
    seen = next((char for char in cell if not _invisible(char)), "")
    return f"'{cell}" if seen in FORMULA or cell[0] in BREAKS else cell


def _invisible(char: str) -> bool:
    """Tell white space, control, format (byte-order mark, zero-width space) and unassigned characters from visible ones."""
    return char.isspace() or unicodedata.category(char).startswith(("C", "Z"))
