"""Finds the pieces of a key that a line break cut, in a narrow table cell or a terminal.

The rule of that key decides whether the pieces form one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

_LINE_END = re.compile(r"[ \t]*\\?(?:\r?\n|\\n)")
_CELL_END = re.compile(r"[ \t]{0,4}([│┃║|])")
_BREAK = re.compile(r"\r?\n|\\n")
_BORDER = re.compile(r"[│┃║|]")
_SEPARATOR_ROW = re.compile(r"[\s─━═├┤┼╞╡╪╟╢╫+|│┃║=-]*$")
_BLANKS = re.compile(r"[ \t]{0,400}+")
_MAX_LINE_CHARS = 500
_MAX_ROWS = 24
_MAX_COLUMNS = 24
_MIN_TERMINAL_COLUMNS = 60

Span = tuple[int, int]
"""Start and end in the text."""


@dataclass(frozen=True, slots=True)
class WrappedPiece:
    """A piece that may continue the key. `certain_from_layout`: the table's layout shows that it continues the cell above."""

    span: Span
    certain_from_layout: bool = False


def continuations(text: str, start: int, end: int, alphabet_run: re.Pattern[str], *, may_be_whole: bool) -> Iterator[WrappedPiece]:
    """Yield possible continuations of the key whose first piece is `text[start:end]`; none unless the piece ends its cell or line.

    `alphabet_run` matches characters of the key's alphabet. `may_be_whole`: the first piece has a whole key's format. A line without borders must
    then be as long as a terminal is wide, since nothing else would have cut it there.
    """
    if _CELL_END.match(text, end):
        yield from islice(_cells(text, start, end, alphabet_run), _MAX_ROWS)
        return
    line_end = _LINE_END.match(text, end)
    if line_end and (not may_be_whole or end - _line_start(text, start) >= _MIN_TERMINAL_COLUMNS):
        yield from islice(_lines(text, line_end.end(), alphabet_run), _MAX_ROWS)


def _lines(text: str, place: int, alphabet_run: re.Pattern[str]) -> Iterator[WrappedPiece]:
    """Yield continuations without borders: lines that hold characters of the alphabet and nothing else."""
    while piece := alphabet_run.match(text, _skip_blanks(text, place)):
        ends = _LINE_END.match(text, piece.end())
        if ends or text[piece.end() : piece.end() + 1] in {"", '"', "'", "`", " "}:
            yield WrappedPiece(piece.span())
        if not ends:
            break
        place = ends.end()


def _cells(text: str, start: int, end: int, alphabet_run: re.Pattern[str]) -> Iterator[WrappedPiece]:
    """Yield continuations in a table: the same cell of the rows below, while each holds characters of the alphabet alone and starts no new entry."""
    column = len(_BORDER.findall(text, _line_start(text, start), start))
    line = _next_line(text, end)
    while line and column <= _MAX_COLUMNS and not _SEPARATOR_ROW.fullmatch(text, *line):
        cells = _split(text, *line, column)
        if column >= len(cells) or not (piece := _whole_cell(text, cells[column], alphabet_run)):
            break
        first_column = 0 if text[slice(*cells[0])].strip() else 1  # with outer borders the first cell is empty
        if column > first_column and text[slice(*cells[first_column])].strip():
            break
        yield WrappedPiece(piece, certain_from_layout=column > first_column)
        line = _next_line(text, line[1])


def _line_start(text: str, place: int) -> int:
    lowest = max(0, place - _MAX_LINE_CHARS)
    escaped_newline = text.rfind("\\n", lowest, place)
    return max(text.rfind("\n", lowest, place) + 1, escaped_newline + 2 if escaped_newline >= 0 else 0, lowest)


def _next_line(text: str, place: int) -> Span | None:
    found = _BREAK.search(text, place, place + _MAX_LINE_CHARS)
    if not found or found.end() >= len(text):
        return None
    ends = _BREAK.search(text, found.end(), found.end() + _MAX_LINE_CHARS)
    return found.end(), ends.start() if ends else min(len(text), found.end() + _MAX_LINE_CHARS)


def _split(text: str, start: int, end: int, column: int) -> list[Span]:
    """Return the line's cells up to a column."""
    borders = [border.start() for border in islice(_BORDER.finditer(text, start, end), column + 1)]
    edges = [start - 1, *borders, *([end] if len(borders) <= column else [])]
    return [(before + 1, after) for before, after in pairwise(edges)]


def _whole_cell(text: str, cell: Span, alphabet_run: re.Pattern[str]) -> Span | None:
    piece = alphabet_run.match(text, _skip_blanks(text, cell[0]), cell[1])
    return piece.span() if piece and not text[piece.end() : cell[1]].strip() else None


def _skip_blanks(text: str, place: int) -> int:
    blanks = _BLANKS.match(text, place)
    return blanks.end() if blanks else place
