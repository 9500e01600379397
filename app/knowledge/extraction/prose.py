"""Splits a message into statements (sentences and list items), each with its verbatim source. Skips code, tables and quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.sessions.event import Event

MAX_CHARS = 40_000
"""Characters read of one message; the rest of a longer one is pasted, not said."""
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*)|\s*(?:\*\*[^*]{3,80}\*\*:?\s*)+$")
"""Also lines that are bold throughout: section headings, or headings of an agent's thinking."""
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?")
_SKIPPED = re.compile(r"\s*(?:\||>|<[a-zA-Z/!]|!\[|(?:\+|-|@@|diff |index )\s*+\S*+\s*+$|\s*+[-=_*─━]{3,}+\s*+$|\s{4,}\S|\t)")
_END = re.compile(r"(?<=[.!?؟])[\"')\]*_`]*\s+(?=[\"'(\[*_¿¡]*([\w`/]))|(?<=[。！？；।])")
"""A sentence's end; the group is what the next one begins with, which no lower-case letter does in a script that has them."""
MAX_ABBREVIATION = 12
"""Characters at a sentence's end that are looked at for an abbreviation."""
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|no|fig|al|Mr|Dr|St)|\b[A-Z])\.$", re.IGNORECASE)
_LINK = re.compile(r"\[([^\]]{1,200})\]\((?:[^()\s]{1,500})\)")
_MARK = re.compile(r"\*\*|__|(?<![\w`])[*_](?=\S)|(?<=\S)[*_](?![\w`])")
_SYMBOLS = re.compile(r"[\u2190\u2191\u2193-\u21ff\u2500-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff\ufe0f]\s*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence or list item. `raw` is verbatim from the event's text; `text` is the same without Markdown.

    `heading`: the heading of its section. `before`: the preceding statement of the same paragraph or list. `place`: its index in the message.
    """

    event: Event
    text: str
    raw: str
    heading: str = ""
    before: str = ""
    bullet: bool = False
    place: int = 0


def statements(event: Event) -> list[Statement]:
    """Return the statements of a message, in order."""
    made: list[Statement] = []
    heading = ""
    for start, end, kind in _paragraphs(event.text[:MAX_CHARS]):
        part = event.text[start:end]
        if kind == "heading":
            heading = plain(part)
            continue
        before = ""
        for raw in _sentences(part):
            text = plain(raw)
            if len(text) > 1:
                made.append(Statement(event, text, raw.strip(), heading, before, kind == "bullet", len(made)))
                before = text
    return made


def plain(text: str) -> str:
    """Strip Markdown marks; inline code keeps its backticks."""
    parts = text.split("`")
    for place in range(0, len(parts), 2):
        cleaned = _LINK.sub(r"\1", parts[place])
        parts[place] = _SYMBOLS.sub(" ", _MARK.sub("", cleaned))
    joined = _BULLET.sub("", "`".join(parts), count=1) if _BULLET.match(text) else "`".join(parts)
    return re.sub(r"\s+", " ", joined.lstrip("# ")).strip()


def _paragraphs(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of each paragraph, list item and heading."""
    fence, start, end, kind, place = "", -1, 0, "", 0
    for line in text.splitlines(keepends=True):
        begins, place = place, place + len(line)
        found = _FENCE.match(line)
        inside = bool(fence)
        if found:
            fence = "" if fence and found[1].startswith(fence) else fence or found[1]
        heading, bullet = _HEADING.match(line), _BULLET.match(line)
        breaks = inside or found or not line.strip() or heading or bullet or _SKIPPED.match(line)
        if breaks and start >= 0:
            yield start, end, kind
            start = -1
        if inside or found or not line.strip():
            continue
        if heading:
            yield begins, place, "heading"
        elif bullet:
            start, end, kind = begins, place, "bullet"
        elif not _SKIPPED.match(line) or start >= 0:
            if start < 0:
                start, kind = begins, "text"
            end = place
    if start >= 0:
        yield start, end, kind


def _sentences(part: str) -> Iterator[str]:
    start = counted = backticks = 0
    for found in _END.finditer(part):
        backticks += part.count("`", counted, found.end())
        counted = found.end()
        ends_before = part[max(start, found.start() - MAX_ABBREVIATION) : found.start()]
        if (found[1] or "").islower() or backticks % 2 or _ABBREVIATION.search(ends_before):
            continue
        yield part[start : found.end()]
        start, backticks = found.end(), 0
    if part[start:].strip():
        yield part[start:]
