"""Splits a text into pieces to quote: verbatim sentences, and fenced code line by line, since half a command is useless."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHARS = 600
"""Characters of a piece; a longer sentence is cut between two words."""
_END = re.compile(r"(?<=[.!?])[\"'”’)\]*_`]*\s+(?=[^\sa-z])|(?<=[。！？；])")
"""No sentence begins with a small letter: the dots in `e.g. this` don't end one."""
_FENCE = re.compile(r"^\s*(```|~~~)")
_SHORT = 3
"""Letters or digits that a piece needs to say anything: drops list numbers and rules."""


@dataclass(frozen=True, slots=True)
class TextSentence:
    """A piece of a text. `text`: verbatim. `start`: its offset. `code`: it is a line of a fenced block."""

    text: str
    start: int
    code: bool = False


def pieces(text: str) -> list[TextSentence]:
    """Return the pieces in order, without blank lines, fences and pieces too short to say anything."""
    found: list[TextSentence] = []
    place, code = 0, False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            code = not code
        else:
            found += _of_line(line, place, code)
        place += len(line)
    return [piece for piece in found if sum(map(str.isalnum, piece.text)) >= _SHORT]


def _of_line(line: str, start: int, code: bool) -> list[TextSentence]:  # noqa: FBT001
    if code:
        body = line.rstrip()
        return [TextSentence(body[:MAX_CHARS], start, code=True)] if body.strip() else []
    ends = [*(match.end() for match in _END.finditer(line)), len(line)]
    found: list[TextSentence] = []
    begin = 0
    for end in ends:
        sentence = line[begin:end]
        stripped = sentence.strip()
        if stripped:
            found.append(TextSentence(_bounded(stripped), start + begin + sentence.index(stripped[0])))
        begin = end
    return found


def _bounded(sentence: str) -> str:
    if len(sentence) <= MAX_CHARS:
        return sentence
    cut = sentence[:MAX_CHARS]
    return cut[: cut.rindex(" ")] if " " in cut else cut
