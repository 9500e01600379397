"""Cuts text into pieces of at most MAX_CHARS along headings, paragraphs, list items and code fences. Knows Markdown, not sessions.

Bounded for any input: a text is read up to MAX_TEXT_CHARS, machine-made lines (base64, minified code) are dropped, identical lines are kept
MAX_REPEATS times.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from app.redaction.stored_fields import without_invalid_chars

MAX_CHARS = 900
"""Characters of a piece: with its heading about the 256 tokens that the embedding model reads."""
MIN_CHARS = 12
"""A shorter piece (`Done.`, `ok`) can't answer anything by itself."""
MAX_TEXT_CHARS = 200_000
"""Characters read of one text, three quarters from its beginning and one from its end: the middle of a longer one is pasted material."""
MAX_HEADING_CHARS = 120
MAX_REPEATS = 2
MAX_LINE_CHARS = 20_000
_DENSE_LINE_CHARS, _MIN_SPACES = 300, 0.07
"""A line longer than this with a smaller share of spaces is data, not prose (except in Chinese and Japanese, which use none)."""
_RUN = re.compile(r"[A-Za-z0-9+/=_%\\-]{200,}")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(\S.*)|\s*\*\*([^*]{3,80})\*\*:?\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A piece of a text, and the heading of its section ("" if none)."""

    heading: str
    text: str


def pieces(text: str, *, max_chars: int = MAX_CHARS) -> Iterator[TextBlock]:
    """Yield a text's pieces in order. Neighbouring blocks of one section share a piece while they fit."""
    heading, gathered = "", ""
    for block, is_heading in _blocks(clean(text)):
        if is_heading:
            yield from _piece(heading, gathered)
            heading, gathered = block[:MAX_HEADING_CHARS], ""
            continue
        for part in _fitting(block, max_chars):
            if gathered and len(gathered) + len(part) + 2 > max_chars:
                yield from _piece(heading, gathered)
                gathered = part
            else:
                gathered = f"{gathered}\n{part}" if gathered else part
    yield from _piece(heading, gathered)


def clean(text: str) -> str:
    """Return the text bounded, without machine-made and repeated lines, lone surrogates and NULs."""
    if len(text) > MAX_TEXT_CHARS:
        text = f"{text[: MAX_TEXT_CHARS * 3 // 4]}\n\n{text[-MAX_TEXT_CHARS // 4 :]}"
    text = without_invalid_chars(text)
    seen: Counter[str] = Counter()
    kept = []
    for line in text.splitlines():
        bare = line.strip()
        if len(bare) > 3:
            seen[bare] += 1
            if seen[bare] > MAX_REPEATS or is_data(bare):
                continue
        kept.append(line.rstrip())
    return "\n".join(kept)


def is_data(line: str) -> bool:
    """Tell whether a line is encoded or minified data rather than prose."""
    if len(line) > MAX_LINE_CHARS:
        return True
    if len(line) <= _DENSE_LINE_CHARS:
        return bool(len(line) >= 200 and _RUN.search(line))
    return not _WIDE.search(line) and (line.count(" ") < len(line) * _MIN_SPACES or bool(_RUN.search(line)))


def _piece(heading: str, text: str) -> Iterator[TextBlock]:
    text = text.strip("\n")
    wide = 2 if _WIDE.search(text) else 1
    if len(text.strip()) * wide >= MIN_CHARS:
        yield TextBlock(heading, text)


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield (block, is it a heading) in order. A fenced block is one block, including its marks."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            lines.append(line)
            if mark and mark[1].startswith(fence) and line.strip() == mark[1]:
                yield "\n".join(lines), False
                lines, fence = [], ""
            continue
        heading = _HEADING.match(line)
        if (mark or heading or not line.strip() or _ITEM.match(line)) and lines:
            yield "\n".join(lines), False
            lines = []
        if heading:
            yield (heading[1] or heading[2]).strip("*# "), True
        elif mark:
            fence, lines = mark[1], [line]
        elif line.strip():
            lines.append(line)
    if lines:
        yield "\n".join(lines), False


def _fitting(block: str, max_chars: int) -> Iterator[str]:
    """Split a block into parts of at most `max_chars` characters: by lines, then sentences, then anywhere."""
    if len(block) <= max_chars:
        yield block
        return
    gathered = ""
    for part in _parts(block, max_chars):
        if gathered and len(gathered) + len(part) > max_chars:
            yield gathered.strip("\n")
            gathered = ""
        gathered += part
    yield gathered.strip("\n")


def _parts(block: str, max_chars: int) -> Iterator[str]:
    for line in block.splitlines(keepends=True):
        if len(line) <= max_chars:
            yield line
            continue
        start = 0
        ends = [found.end() for found in _SENTENCE.finditer(line)]
        for end in (*ends, len(line)):
            while end - start > max_chars:
                yield line[start : start + max_chars]
                start += max_chars
            yield line[start:end]
            start = end
