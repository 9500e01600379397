"""aider's chat history: `# aider chat started at` opens a session, `#### ` is the user, `> ` is tool output, the rest the assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.formats.lines import Line
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import exit_code_of, outcome_of
from app.sessions.formats.values import Occurrences, content_id, time_of
from app.sessions.formats.words import title_of

PROVIDER = "aider"
OPENS = re.compile(r"# aider chat started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_VERSION = re.compile(r"^Aider v(\S+)", re.MULTILINE)
_MODEL = re.compile(r"^(?:Main m|M)odels?: ([^\s,]+)", re.MULTILINE)
_COMMAND = re.compile(r"/(?!ask\b|code\b|architect\b|chat-mode\b)[a-z-]+")
_MODE = re.compile(r"/(?:ask|code|architect)\s+")


@dataclass(slots=True)
class _Part:
    """Consecutive lines of one speaker."""

    speaker: str
    locator: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event]:
    session, at, titled = "", None, False
    ids, part, fence = Occurrences(), _Part("assistant", "L1"), ""
    for line in lines:
        if opened := OPENS.match(line.text):
            yield from _events(part, ids, session, at)
            at, titled, fence = time_of(opened[1], tally), False, ""
            session = f"{opened[1]}"
            ids, part = Occurrences(), _Part("assistant", line.locator)
            yield SessionHeader(PROVIDER, session, None, at)
            continue
        if not session and line.text.strip():
            # Text before the first header: the end of a history whose beginning was cut off.
            session = content_id(line.text)
            yield SessionHeader(PROVIDER, session)
        speaker, text = _speaker_and_text(line.text, fenced=bool(fence))
        if speaker == "assistant":
            fence = _fence(fence, line.text)
        if speaker != part.speaker and (text or speaker != "assistant"):
            if part.speaker == "tool" and (startup := _startup_header(part.text, SessionHeader(PROVIDER, session, None, at))):
                yield startup
            for event in _events(part, ids, session, at):
                if not titled and event.kind == "prompt":
                    titled = True
                    yield SessionHeader(PROVIDER, session, title_of(event.text), at)
                yield event
            part = _Part(speaker, line.locator)
        part.lines.append(text)
    yield from _events(part, ids, session, at)


def _startup_header(output: str, header: SessionHeader) -> SessionHeader | None:
    """Read aider's version and model from its startup output; None if it has neither."""
    version, model = _VERSION.search(output), _MODEL.search(output)
    return replace(header, agent_version=version and version[1], model=model and model[1]) if version or model else None


def _speaker_and_text(text: str, *, fenced: bool) -> tuple[str, str]:
    """Split a line into (speaker, text). Code fences hide markers; aider ends its own lines with two spaces."""
    if text.startswith("#### ") and not fenced:
        return "user", text[5:].rstrip()
    if (text.startswith("> ") or text == ">") and not fenced:
        return "tool", text[2:].rstrip()
    return "assistant", text


def _fence(fence: str, text: str) -> str:
    """Return the code fence that is open after this line, or ""."""
    found = _FENCE.match(text.lstrip())
    if found is None:
        return fence
    if not fence:
        return found[1]
    closes = found[1][0] == fence[0] and len(found[1]) >= len(fence) and text.strip() == found[1]
    return "" if closes else fence


def _events(part: _Part, ids: Occurrences, session: str, at: datetime | None) -> Iterator[Event]:
    text = part.text
    if not text or not session:
        return
    match part.speaker:
        case "user":
            if _COMMAND.match(text):
                yield Event(ids.id("notice", text), "system", "notice", text, part.locator, at)
            else:
                typed = _MODE.sub("", text, count=1).strip()
                if typed:
                    yield Event(ids.id("prompt", typed), "user", "prompt", typed, part.locator, at)
        case "tool":
            code = exit_code_of(text)
            tool = ToolUse("aider", "", text, code)
            yield Event(ids.id("tool", text), "tool", "tool", "", part.locator, at, tool=tool, outcome=outcome_of(text, exit_code=code))
        case _:
            yield Event(ids.id("reply", text), "assistant", "reply", text, part.locator, at)
