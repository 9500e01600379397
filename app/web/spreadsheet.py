"""CSV that is safe to open in a spreadsheet: cells that begin like a formula are escaped (no CSV injection)."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, TypeVar

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from app.web.downloads import file_headers, streamed

T = TypeVar("T")

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b")
"""Characters that begin a formula; also the full-width, small and typographic ones, which some spreadsheets normalise."""
BREAKS = frozenset("\t\r\n")
"""At the beginning of a cell some spreadsheets skip these, others start a new cell."""

NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
"""A number is no formula: an amount below zero stays one that a spreadsheet adds up."""

MEDIA_TYPE = "text/csv; charset=utf-8"


def file(name: str, content: str) -> Response:
    """Answer with a whole file."""
    return Response(content, media_type=MEDIA_TYPE, headers=file_headers(name))


def stream(
    request: Request, name: str, head: Sequence[str], entries: AsyncGenerator[T], cells: Callable[[T], Sequence[object]]
) -> StreamingResponse:
    """Answer with a file of a line for each entry, below its columns' names, written in turns with other exports."""
    return streamed(request, name, entries, lambda entry: line(cells(entry)), media_type=MEDIA_TYPE, head=line(head))


def line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([escape_formula(each) for each in cells])
    return buffer.getvalue()


def escape_formula(cell: object) -> object:
    """Prefix a formula with an apostrophe; also behind white space and invisible characters, which importers strip."""
    if not isinstance(cell, str) or not cell or NUMBER.fullmatch(cell):
        return cell
    seen = next((char for char in cell if not _invisible(char)), "")
    return f"'{cell}" if seen in FORMULA or cell[0] in BREAKS else cell


def _invisible(char: str) -> bool:
    """Tell white space, control, format (byte-order mark, zero-width space) and unassigned characters from visible ones."""
    return char.isspace() or unicodedata.category(char).startswith(("C", "Z"))
