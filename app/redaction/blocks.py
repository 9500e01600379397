"""Finds private key blocks (PEM, OpenSSH, PGP): multi-line, with literal `\\n`, numbered, quoted, or truncated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.redaction.finding import Finding
from app.redaction.gate import RedactionRule

_HEADER = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# May stand between two lines of a key: line breaks, a listing's line numbers, quotes, a table's borders, a diff's signs.
_GAP = r"(?:[ \t]|\\{1,3}[nrt]|\r|\n(?:[ \t]{0,12}+\d{1,6}(?:→|\t|:|[ \t]*[|│]))?|→|[\"'+,>|│┃;`\\#*-](?!---))"
_FIELD = re.compile(rf"{_GAP}{{1,40}}+(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID):[^\n\\]{{0,200}}")
_LINE = re.compile(rf"{_GAP}{{1,60}}+[A-Za-z0-9+/=]{{16,}}+(?=[ \t]{{0,80}}+(?:[\r\n\\\"'`,│┃|<]|-----|\Z))")
_LAST = re.compile(
    rf"{_GAP}{{0,60}}+[A-Za-z0-9+/=]{{0,80}}+(?:{_GAP}{{0,20}}+=[A-Za-z0-9+/]{{4}})?{_GAP}{{0,60}}+-----END [A-Z0-9 ]{{0,40}}-----"
)
_REMNANT = re.compile(rf"{_GAP}{{1,60}}+[A-Za-z0-9+/=]{{1,80}}+\s*\Z")


def _find(text: str, at: int) -> Iterator[Finding]:
    header = _HEADER.match(text, at)
    if not header:
        return
    place = header.end()
    for _ in range(6):
        if field := _FIELD.match(text, place):
            place = field.end()
    body = _LINE.match(text, place)
    if not body:
        return
    while body:
        place = body.end()
        body = _LINE.match(text, place)
    ending = _LAST.match(text, place) or _REMNANT.match(text, place)
    yield Finding("private-key", at, ending.end() if ending else place)


RULES = (RedactionRule(("-----begin ",), _find),)
