"""Transcript formats: bytes in, events out, as a stream. Each format is one module; none knows a database.

Recognition is by content, never by name. A line that can't be read is counted and reported (`ParseTally`), never fatal.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import aider, claude_code, cline, codex, cursor, generic, specstory
from app.sessions.formats.detection import HEAD_BYTES, check_text, detect
from app.sessions.formats.images import without_data
from app.sessions.formats.lines import decoded_lines
from app.sessions.formats.tally import ParseTally
from app.settings import SessionsSettings

__all__ = ["HEAD_BYTES", "ParseTally", "check_text", "detect", "parse"]

_PARSERS = {
    "aider": aider.parse,
    "claude-code": claude_code.parse,
    "codex": codex.parse,
    "cursor": cursor.parse,
    "specstory": specstory.parse,
}
_DOCUMENTS = {"cline": cline.parse, "generic": generic.parse_any}
"""Formats that may be one JSON document: their parsers take the bytes, not lines."""


def parse(
    chunks: Iterator[bytes],
    *,
    format: Format,  # noqa: A002 - the contract's word
    limits: SessionsSettings,
    tally: ParseTally,
) -> Iterator[SessionHeader | Event]:
    """Parse a transcript, one chunk at a time. A header precedes the first event of each session."""
    if format in _DOCUMENTS:
        found = _DOCUMENTS[format](chunks, limits=limits, tally=tally)
    else:
        found = _PARSERS[format](decoded_lines(chunks, limits=limits, tally=tally), tally)
    for each in found:
        yield without_data(each) if isinstance(each, Event) else each
