"""Finds secrets that layout ties to a name: the next cell of a row, the column below, the line below a heading.

The name must fill its cell or line. `names.py` decides what the value must look like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction import names, shape
from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule

_BREAK = r"(?:[ \t]{0,80}(?:\r?\n|\\n))"
_VALUE = r"[!#-&(-;=?-\[\]-_a-{}-~]{5,300}"
_BORDER = re.compile(r"[|│┃║]")
_NEXT_BORDER = re.compile(r"[*_`]{0,3}[ \t]{0,80}[|│┃║]")
_NAME = re.compile(
    r"(?P<name>[A-Za-z_-]{3,24}+(?:[ ](?:key|token|secret|password))?)(?=[*_`:\uff1a]{0,4}[ \t]{0,80}(?:[|│┃║\r\n]|\\n))", re.IGNORECASE
)
_QUALIFIED = re.compile(
    r"(?:\A|[\n|│┃║]|\\n)[ \t]{0,40}(?P<marks>(?:#{1,6}[ ]|[-*+>][ ]|\d{1,2}\.[ ])?)[*_`]{0,3}(?P<words>(?:[\w-]{1,20}[ _-]){0,2})\Z"
)
_END = r"[*_`]{0,3}"
_NEXT_CELL = re.compile(rf"{_END}[ \t]{{0,80}}[|│┃║][ \t]{{0,80}}{_END}(?P<secret>{_VALUE}?){_END}[ \t]{{0,200}}(?=[|│┃║\n]|\Z)")
_BELOW = re.compile(
    rf"{_END}(?P<colon>[:\uff1a]?){_END}{_BREAK}(?P<ruler>[=-]{{3,80}}{_BREAK})?{_BREAK}{{0,2}}(?:```\w{{0,10}}{_BREAK})?"
    rf"(?P<indent>[ \t]{{0,40}})(?:[-*+>][ ])?[*_`\"']{{0,3}}(?P<secret>{_VALUE}?)[*_`\"']{{0,3}}[ \t]{{0,80}}(?=\r?\n|\\n|\Z)"
)
_HEADER = re.compile(r"[\"']?[A-Za-z][\w .-]{0,40}[\"']?(?:(?P<comma>[,;\t])[ ]?[\"']?[A-Za-z][\w .-]{0,40}[\"']?){1,30}\Z")
_SEPARATORS = ",;\t"
_RULED = " \t\r|│┃║:=─━═┼╪╋├┤╞╡+-"
_RULER = re.compile(rf"[{re.escape(_RULED)}]{{3,400}}+\n")
_MAX_LINE = 400
_MAX_ROWS = 20
_MAX_CHARS = 3000


def _find(text: str, at: int) -> Iterator[Finding]:
    if not (name := _NAME.match(text, at)) or not (before := _QUALIFIED.search(text, max(0, at - 70), at)):
        return
    whole = text[before.start("words") : name.end()].strip()
    if not names.announces(whole):
        return
    if _BORDER.match(text, before.start()) or _NEXT_BORDER.match(text, name.end()):
        yield from _beside(text, name.end("name"), whole)
        yield from _under(text, at, name.end("name"), whole)
    else:
        yield from _next_line(text, name.end("name"), whole, heading="#" in before["marks"])


def _beside(text: str, end: int, name: str) -> Iterator[Finding]:
    if (cell := _NEXT_CELL.match(text, end)) and names.fits(name, cell["secret"], quoted=True):
        yield Finding(names.kind(name), *cell.span("secret"))


def _next_line(text: str, end: int, name: str, *, heading: bool) -> Iterator[Finding]:
    if not (line := _BELOW.match(text, end)) or not names.fits(name, line["secret"], quoted=False):
        return
    if heading or line["ruler"] or line["colon"] or shape.can_only_be_password(line["secret"]):
        yield Finding(names.kind(name), *line.span("secret"))


def _under(text: str, at: int, end: int, name: str) -> Iterator[Finding]:
    """Find the column's cells below, if a ruler makes the name a table heading."""
    start = text.rfind("\n", max(0, at - _MAX_LINE), at) + 1
    place = text.find("\n", end, end + _MAX_LINE) + 1
    if not place or at - start > _MAX_LINE or not (ruler := _RULER.match(text, place)):
        return
    column = len(_BORDER.findall(text, start, at))
    place = ruler.end()
    for line in text[place : place + _MAX_CHARS].split("\n", _MAX_ROWS):
        edges = [border.start() for border in _BORDER.finditer(line)]
        if not edges or len(edges) < column or not line.strip(_RULED):
            return
        yield from _in_cell(line, ([-1, *edges][column] + 1, [*edges, len(line)][column]), place, name)
        place += len(line) + 1


def _in_cell(line: str, cell: tuple[int, int], place: int, name: str) -> Iterator[Finding]:
    inside = line[slice(*cell)]
    value = inside.strip(" \t*_`\r")
    if value and " " not in value and names.fits(name, value, quoted=True):
        begin = place + cell[0] + inside.index(value)
        yield Finding(names.kind(name), begin, begin + len(value))


def _in_csv(text: str, at: int) -> Iterator[Finding]:
    """Find a column's cells in CSV rows as wide as their header: `user,password`, and below it `bob,…`."""
    start = text.rfind("\n", max(0, at - _MAX_LINE), at) + 1
    end = text.find("\n", at, at + _MAX_LINE)
    if end < 0 or at - start >= _MAX_LINE or not (header := _HEADER.match(text[start:end].rstrip("\r"))):
        return
    separator = header["comma"]
    cells = [cell.strip(" \"'") for cell in text[start:end].rstrip("\r").split(separator)]
    column = text.count(separator, start, at + 1)
    if not names.announces(cells[column]) or len(cells[column].split()) > 2:
        return
    place = end + 1
    for line in text[place : place + _MAX_CHARS].split("\n", _MAX_ROWS)[:_MAX_ROWS]:
        row = line.rstrip("\r").split(separator)
        if (
            len(row) != len(cells)
            or row[column].strip(" \"'") == cells[column]
            or any(cell.strip().startswith(("(", "[", "{")) for cell in row)
        ):
            return
        value = row[column].strip(" \"'")
        if value and " " not in value and names.fits(cells[column], value, quoted=False) and not shape.is_identifier(value):
            begin = place + len(separator.join(row[:column])) + (column > 0) + row[column].index(value)
            yield Finding(names.kind(cells[column]), begin, begin + len(value))
        place += len(line) + 1


_NAMES = ("password", "passphrase", "passcode", "passwd", "passwort", "secret", "token", "api key", "api_key", "apikey", "access key")
_ENDS = ("|", " |", "  ", " ?", "?", ":", "*", "_*", "`", "\n", " \n", "\r", "\\n")
_CSV_NAMES = ("password", "passphrase", "passwd", "passwort", "kennwort", "secret", "token", "api_key", "apikey")
RULES = (
    RedactionRule(tuple(f"{name}{end}" for name in _NAMES for end in _ENDS), _find),
    RedactionRule(
        tuple(
            anchor
            for name in _CSV_NAMES
            for sign in _SEPARATORS
            for anchor in (f"{sign}{name}", f"{name}{sign}", f'{sign}"{name}"', f'{name}"{sign}')
        ),
        _in_csv,
    ),
)
