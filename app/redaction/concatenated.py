"""Finds secrets in pieces: string literals that code concatenates (`"ab" + "cd"`, `.join`, adjacent lines), and continued lines.

Joins the pieces, runs the other rules on the result, and maps findings back to each piece.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule, RulePrefilter

_LINE = r"(?:\r?\n|\\r?\\?n)"
_BLANK = rf"(?:[ \t]|{_LINE}){{0,60}}+"
_PREFIX = r"(?:[fFrRbBuU]{1,2}(?=[\"'`]))?"
_QUOTE = r"\\{0,3}[\"'`]"
_JOINED = re.compile(
    rf"""
    (?P<close>{_QUOTE})
    (?:
        [ \t]{{0,8}}(?:\+|\.\.?|&(?:[ ]_)?|\|\||<>|~)?[ \t]{{0,8}}\\?{_BLANK}(?:\+[ \t]{{0,8}})?   # + . .. & || and adjacent lines
      | \}}\$?\{{                                                                      # ${{'a'}}${{'b'}}
      | ;[ \t]*\$?[\w.]{{1,60}}[ ]?[.+]=[ ]?                                           # x = "a"; x += "b"
    )
    {_PREFIX}(?P<open>{_QUOTE})
    """,
    re.VERBOSE,
)
_COMMA = re.compile(rf"(?P<close>{_QUOTE})[ \t]{{0,8}},{_BLANK}{_PREFIX}(?P<open>{_QUOTE})")
_LIST = re.compile(rf"[\[(,][ \t\r\n]{{0,20}}{_PREFIX}(?P<open>{_QUOTE})")
_CONTINUED = re.compile(r"\\\r?\n")
_OPENED_ABOVE = re.compile(r"[=:(\[\\][ \t\\]{0,8}\r?\n\Z")
_NOTHING_YET = re.compile(r"[ \t\r\n(\[]*(?:[fFrRbBuU]{0,2}[\"'`]*)?")
_MAX_LINES_ABOVE = 3
_MAX_PIECE = 200
_MAX_PIECES = 32
_MAX_BEFORE = 160
_MAX_LIST = 400
_MAX_AFTER = 60
_JOIN_BEFORE = re.compile(r"(?:\"\"|'')\.join\([\[(]\s{0,20}\Z")
_NEXT = ('"', "'", "`", 'f"', "f'")
_OPERATORS = tuple(f"{sign}{quote}" for sign in ("+", " + ", "+ ", " +", " . ", " .. ", " & ", " || ", " <> ", " ") for quote in _NEXT)
_BROKEN_OPERATORS = (
    "+\n",
    " +\n",
    "+ \n",
    " + \n",
    " +\r",
    "+\\n",
    " +\\n",
    " & _\n",
    " + \\\n",
    " +\\\n",
    "+ \\\n",
    " . \\\n",
    " & \\\n",
    " .\n",
    " ..\n",
    " ||\n",
    " &\n",
)
_LINE_BREAKS = tuple(
    f"{line}{after}" for line in ("\n", "\\n", "\r\n", " \\\n", "\\\n") for after in (" ", "\t", "\\t", '"', "'", "+", 'f"', "f'")
)
_JOINS = ('].join("")', "].join('')", '"".join([', "''.join([", '"".join((', "''.join((", "concat(", "implode(")


class Seams:
    """`text[start:end]` without the seams between its pieces, with a mapping back to the original."""

    def __init__(self, text: str, start: int, end: int, seams: list[tuple[int, int]]) -> None:
        self.kept = list(zip([start, *(seam[1] for seam in seams)], [*(seam[0] for seam in seams), end], strict=True))
        self.text = "".join(text[begin:stop] for begin, stop in self.kept)
        self._places = [0]
        for begin, stop in self.kept[:-1]:
            self._places.append(self._places[-1] + stop - begin)

    def pieces(self, finding: Finding) -> list[Finding]:
        """Map a finding in the joined text back to one per piece."""
        found = []
        first = bisect_right(self._places, finding.start) - 1
        for place, (begin, stop) in list(zip(self._places, self.kept, strict=True))[first:]:
            low, high = max(finding.start - place, 0) + begin, min(finding.end - place + begin, stop)
            if place >= finding.end:
                break
            if low < high:
                found.append(Finding(finding.kind, low, high))
        return found


def rules(gate: RulePrefilter) -> tuple[RedactionRule, ...]:
    """Build the rules for concatenated secrets; `gate` scans the joined text."""
    joined = _Joined(gate)
    return (
        RedactionRule(tuple(f"{quote}{after}" for quote in "\"'`" for after in (*_OPERATORS, *_BROKEN_OPERATORS)), joined.literals),
        RedactionRule(tuple(f"{quote}{after}" for quote in "\"'" for after in _LINE_BREAKS), joined.literals),
        RedactionRule(("}${", "}{"), joined.templates),
        RedactionRule(('";', "';"), joined.literals),
        RedactionRule(("\\\n", "\\\r\n"), joined.lines),
        RedactionRule(_JOINS, joined.listed),
    )


class _Joined:
    """The ways to join pieces, each scanned by the gate."""

    def __init__(self, gate: RulePrefilter) -> None:
        self._gate = gate

    def literals(self, text: str, at: int) -> Iterator[Finding]:
        if not (seam := _JOINED.match(text, at)) or _is_continuation(text, seam):
            return
        yield from self._read(text, _opening(text, seam), _chain(text, seam))

    def templates(self, text: str, at: int) -> Iterator[Finding]:
        if at and (seam := _JOINED.match(text, at - 1)) and not _is_continuation(text, seam):
            opening, seams = _opening(text, seam), _chain(text, seam)
            if text[opening - 3 : opening] == "`${":
                seams.insert(0, (opening - 3, opening))
            yield from self._read(text, opening, seams)

    def lines(self, text: str, at: int) -> Iterator[Finding]:
        above = text.rfind("\n", max(0, at - _MAX_PIECE), at)
        if above > 1 and text[above - 1] == "\\" and text[above - 2].strip() and text[above + 1].strip():
            return  # already scanned from the line above
        seams: list[tuple[int, int]] = []
        place: int | None = at
        while place is not None and len(seams) < _MAX_PIECES and (seam := _CONTINUED.match(text, place)):
            if text[seam.end() : seam.end() + 1].strip() == "" or text[place - 1 : place].strip() == "":
                break
            seams.append(seam.span())
            stop = text.find("\n", seam.end(), seam.end() + _MAX_PIECE)
            place = stop - 1 if stop > 0 and text[stop - 1] == "\\" else None
        if seams:
            yield from self._read(text, at, seams)

    def _read(self, text: str, at: int, seams: list[tuple[int, int]]) -> Iterator[Finding]:
        if not seams:
            return
        at = min(at, seams[0][0])
        start = _beginning(text, at)
        joined = Seams(text, start, min(len(text), seams[-1][1] + _MAX_PIECE + _MAX_AFTER), seams)
        for finding in self._gate.findings(joined.text):
            yield from joined.pieces(finding)

    def listed(self, text: str, at: int) -> Iterator[Finding]:
        bracket = text.rfind("[", max(0, at - _MAX_LIST), at) if text[at] == "]" else at
        if bracket >= 0 and (first := _LIST.search(text, bracket, bracket + 40)):
            close = text.find(first["open"], first.end(), first.end() + _MAX_PIECE)
            if close > 0 and (seam := _COMMA.match(text, close)):
                lead = _JOIN_BEFORE.search(text, max(0, bracket - 12), first.start("open"))
                yield from self._read(text, first.end(), [*([lead.span()] if lead else []), *_chain(text, seam, _COMMA)])


def _beginning(text: str, at: int) -> int:
    """Return the start of the statement: on this line, or above if those lines end in `=`, `:` or a bracket."""
    earliest = max(0, at - _MAX_BEFORE)
    start = max(text.rfind("\n", earliest, at) + 1, earliest)
    for _ in range(_MAX_LINES_ABOVE):
        if not (above := _OPENED_ABOVE.search(text, earliest, start)) or not _NOTHING_YET.fullmatch(text, start, at):
            break
        start = max(text.rfind("\n", earliest, above.start()) + 1, earliest)
    return start


def _opening(text: str, seam: re.Match[str]) -> int:
    """Return the start of the first piece."""
    return max(text.rfind(seam["close"], max(0, seam.start() - _MAX_PIECE), seam.start()), 0)


def _is_continuation(text: str, seam: re.Match[str]) -> bool:
    """Tell whether an earlier seam precedes this one, from which the whole chain was read already."""
    opening = text.rfind(seam["close"], max(0, seam.start() - _MAX_PIECE), seam.start())
    if opening <= 0:
        return opening < 0
    before = text[max(0, opening - 70) : opening]
    place = max(before.rfind('"'), before.rfind("'"), before.rfind("`"))
    return place >= 0 and (again := _JOINED.match(before + text[opening], place)) is not None and again.end() == len(before) + 1


def _chain(text: str, seam: re.Match[str], joined: re.Pattern[str] = _JOINED) -> list[tuple[int, int]]:
    seams = [seam.span()]
    while len(seams) < _MAX_PIECES:
        place, opened = seams[-1][1], seam["open"]
        close = text.find(opened, place, place + _MAX_PIECE)
        if close < 0 or "\n" in text[place:close] or not (following := joined.match(text, close)):
            break
        seams.append(following.span())
        seam = following
    return seams
