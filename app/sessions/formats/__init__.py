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
from app.sessions.formats.lines import decoded_lines
from app.sessions.formats.tally import ParseTally
from app.settings import SessionsSettings

__all__ = ["HEAD_BYTES", "ParseTally", "check_text", "detect", "parse"]

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
_WHOLE_PARSERS = {
    "amp": amp.parse,
    "chatgpt": chatgpt.parse,
    "copilot-chat": copilot_chat.parse,
    "cursor-database": cursor_database.parse,
    "gemini": gemini.parse,
    "generic": generic.parse_any,
    "opencode": opencode.parse,
}
"""Formats that may be one document or a database."""


def parse(
    chunks: Iterator[bytes],
    *,
    format: Format,  # noqa: A002 - the contract's word
    limits: SessionsSettings,
    tally: ParseTally,
) -> Iterator[SessionHeader | Event]:
    """Parse a transcript, one chunk at a time. A header precedes the first event of each session."""
    if (whole := _WHOLE_PARSERS.get(format)) is not None:
        yield from whole(chunks, limits=limits, tally=tally)
        return
    yield from _PARSERS[format](decoded_lines(chunks, limits=limits, tally=tally), tally)
