"""A key cut by a line break: the cell of a terminal's table was too narrow for it, or the terminal was.

Finds the pieces that follow. Whether together they are a key, the rule of that key decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(r"[ \t]*\\?(?:\r?\n|\\n)")
_CELL_END = re.compile(r"[ \t]{0,4}([│┃║|])")
_BREAK = re.compile(r"\r?\n|\\n")
_BORDER = re.compile(r"[│┃║|]")
_RULER = re.compile(r"[\s─━═├┤┼╞╡╪╟╢╫+|│┃║=-]*$")
_MAX_LINE = 2000
_MAX_ROWS = 12
_NARROWEST = 60

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rows:
    """The pieces, in order. `sure`: the table's layout says that they continue a cell."""

    spans: list[Span]
    sure: bool = False


def rows(text: str, start: int, end: int, run: re.Pattern[str], *, complete: bool) -> Rows:
    """Where the key whose first piece is `text[start:end]` could go on, row by row; empty if it doesn't end its cell or line.

    `run` matches a stretch of the characters that the key is made of. Is the first piece `complete`, then a line without
    borders has to be as long as a terminal is wide: what else would have cut it there?
    """
    if _CELL_END.match(text, end):
        return _cells(text, start, end, run)
    line_end = _LINE_END.match(text, end)
    if line_end and (not complete or end - _line_start(text, start) >= _NARROWEST):
        return Rows(_lines(text, line_end.end(), run))
    return Rows([])


def _lines(text: str, place: int, run: re.Pattern[str]) -> list[Span]:
    """Without borders: lines that hold one run and nothing else."""
    spans: list[Span] = []
    while len(spans) < _MAX_ROWS:
        first = _skip_blanks(text, place)
        piece = run.match(text, first)
        if not piece:
            break
        ends = _LINE_END.match(text, piece.end())
        if ends or text[piece.end() : piece.end() + 1] in {"", '"', "'", "`", " "}:
            spans.append(piece.span())
        if not ends:
            break
        place = ends.end()
    return spans


def _cells(text: str, start: int, end: int, run: re.Pattern[str]) -> Rows:
    """With borders: the same cell of the rows below, as long as each holds one run and the row starts no new entry."""
    column = len(_BORDER.findall(text, _line_start(text, start), start))
    spans: list[Span] = []
    sure = False
    place = end
    while len(spans) < _MAX_ROWS:
        line = _next_line(text, place)
        if line is None:
            break
        cells = _split(text, *line)
        place = line[1]
        if _RULER.match(text, *line) or column >= len(cells):
            break
        piece = _whole_cell(text, cells[column], run)
        leading = 1 if not text[slice(*cells[0])].strip() else 0
        if piece is None or (column > leading and text[slice(*cells[leading])].strip()):
            break
        sure = column > leading
        spans.append(piece)
    return Rows(spans, sure)


def _line_start(text: str, place: int) -> int:
    lowest = max(0, place - _MAX_LINE)
    literal = text.rfind("\\n", lowest, place)
    return max(text.rfind("\n", lowest, place) + 1, literal + 2 if literal >= 0 else 0, lowest)


def _next_line(text: str, place: int) -> Span | None:
    found = _BREAK.search(text, place, place + _MAX_LINE)
    if not found or found.end() >= len(text):
        return None
    ends = _BREAK.search(text, found.end(), found.end() + _MAX_LINE)
    return found.end(), ends.start() if ends else min(len(text), found.end() + _MAX_LINE)


def _split(text: str, start: int, end: int) -> list[Span]:
    borders = [border.start() for border in _BORDER.finditer(text, start, end)]
    return list(zip([start, *(border + 1 for border in borders)], [*borders, end], strict=True))


def _whole_cell(text: str, cell: Span, run: re.Pattern[str]) -> Span | None:
    first = _skip_blanks(text, cell[0])
    piece = run.match(text, first, cell[1])
    return piece.span() if piece and not text[piece.end() : cell[1]].strip() else None


def _skip_blanks(text: str, place: int) -> int:
    bound = min(len(text), place + _MAX_LINE)
    while place < bound and text[place] in " \t":
        place += 1
    return place
