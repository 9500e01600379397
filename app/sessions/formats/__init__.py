"""Transcript formats: bytes in, events out, as a stream. Each format is one module; none knows a database.

Recognition is by content, never by name. A line that can't be read is counted and reported (`ParseTally`), never fatal.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import (
    aider,
    amp,
    antigravity,
    chatgpt,
    claude_code,
    claude_export,
    cline,
    codex,
    copilot_chat,
    copilot_cli,
    cursor,
    cursor_database,
    droid,
    gemini,
    generic,
    grok,
    kimi,
    opencode,
    pi,
    qwen,
    specstory,
)
from app.sessions.formats.detection import HEAD_BYTES, check_text, detect
from app.sessions.formats.images import without_data
from app.sessions.formats.lines import Paused, decoded_lines
from app.sessions.formats.tally import ParseTally
from app.settings import SessionsSettings

__all__ = ["HEAD_BYTES", "RESUMED", "ParseTally", "check_text", "detect", "parse", "parse_growing"]

_PARSERS = {
    "aider": aider.parse,
    "antigravity": antigravity.parse,
    "claude-code": claude_code.parse,
    "claude-export": claude_export.parse,
    "codex": codex.parse,
    "copilot-cli": copilot_cli.parse,
    "cursor": cursor.parse,
    "droid": droid.parse,
    "grok": grok.parse,
    "kimi": kimi.parse,
    "pi": pi.parse,
    "qwen": qwen.parse,
    "specstory": specstory.parse,
}
"""Formats that are read line by line."""
_DOCUMENTS = {
    "amp": amp.parse,
    "chatgpt": chatgpt.parse,
    "cline": cline.parse,
    "copilot-chat": copilot_chat.parse,
    "cursor-database": cursor_database.parse,
    "gemini": gemini.parse,
    "generic": generic.parse_any,
    "opencode": opencode.parse,
}
"""Formats that may be one document or a database: their parsers take the bytes, not lines."""

RESUMED = {"claude-code": claude_code.parse, "codex": codex.parse}
"""Formats whose readers go on where a growing file ended. Of others a file is read whole each time."""


def parse(
    chunks: Iterator[bytes],
    *,
    format: Format,  # noqa: A002 - the contract's word
    limits: SessionsSettings,
    tally: ParseTally,
) -> Iterator[SessionHeader | Event]:
    """Parse a transcript, one chunk at a time. A header precedes the first event of each session."""
    found: Iterator[SessionHeader | Event | Paused]
    if format in _DOCUMENTS:
        found = _DOCUMENTS[format](chunks, limits=limits, tally=tally)
    else:
        found = _PARSERS[format](decoded_lines(chunks, limits=limits, tally=tally), tally)
    for each in found:
        if not isinstance(each, Paused):
            yield without_data(each) if isinstance(each, Event) else each


def parse_growing(
    chunks: Iterator[bytes],
    *,
    format: Format,  # noqa: A002 - the contract's word
    limits: SessionsSettings,
    tally: ParseTally,
) -> Iterator[SessionHeader | Event | Paused]:
    """Parse a transcript of a format of RESUMED while it grows: after an empty chunk, PAUSED follows what there was.

    An event may come again with what it lacked before, such as its usage.
    """
    for each in RESUMED[format](decoded_lines(chunks, limits=limits, tally=tally, growing=True), tally):
        yield without_data(each) if isinstance(each, Event) else each
