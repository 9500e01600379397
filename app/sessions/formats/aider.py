"""aider's chat history: `# aider chat started at` opens a session, `#### ` is the user, `> ` is tool output, the rest the assistant.

aider ends its own lines, the user's and the tools', with two spaces. A heading or a quotation in an answer doesn't end so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, pairwise

from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.formats.lines import Line
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import exit_code_of, outcome_of
from app.sessions.formats.values import Occurrences, content_id, digest_of, time_of
from app.sessions.formats.words import title_of

PROVIDER = "aider"
OPENS = re.compile(r"# aider chat started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
MAX_HELD = 1000
"""Parts held until the first one of the user's: a session without one is named by its first."""
_OWN_END = "  "
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


@dataclass(slots=True)
class _Session:
    """A session of the history. Its parts are held until its first of the user's: with the time it began, they tell it from others.

    `began`: as the heading says; empty for the end of a history whose beginning was cut off. `first`: its first line with words.
    """

    began: str
    at: datetime | None = None
    first: str = ""
    header: SessionHeader | None = None
    titled: bool = False
    held: list[_Part] = field(default_factory=list)
    ids: Occurrences = field(default_factory=Occurrences)

    def add(self, part: _Part) -> Iterator[SessionHeader | Event]:
        """Take a finished part; yield what can be told."""
        if not part.text:
            return
        if self.header is not None:
            yield from self._tell(part)
            return
        self.held.append(part)
        if part.speaker == "user" or len(self.held) >= MAX_HELD:
            yield from self.end()

    def end(self) -> Iterator[SessionHeader | Event]:
        """Name the session, and yield what was held."""
        if self.header is not None or not self.held:
            return
        self.header = self._header()
        yield self.header
        held, self.held = self.held, []
        for part in held:
            yield from self._tell(part)

    def _header(self) -> SessionHeader:
        asked = next((part for part in self.held if part.speaker == "user"), None)
        if not self.began:
            return SessionHeader(PROVIDER, content_id(self.first))
        silent = f"{self.began} {digest_of(self.first)}"
        if asked is None:
            return SessionHeader(PROVIDER, silent, None, self.at, formerly=((PROVIDER, self.began),))
        name = f"{self.began} {digest_of(*(part.text for part in self.held))}"
        opens_with = next((event.id for event in _events(asked, Occurrences(), self.at)), None)
        return SessionHeader(PROVIDER, name, None, self.at, formerly=((PROVIDER, silent), (PROVIDER, self.began)), opens_with=opens_with)

    def _tell(self, part: _Part) -> Iterator[SessionHeader | Event]:
        assert self.header is not None
        if part.speaker == "tool" and (startup := _startup_header(part.text, self.header)):
            self.header = startup
            yield startup
        for event in _events(part, self.ids, self.at):
            if not self.titled and event.kind == "prompt":
                self.titled = True
                self.header = replace(self.header, title=title_of(event.text))
                yield self.header
            yield event


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event]:
    session, part, fence = _Session(""), _Part("assistant", "L1"), ""
    for line, following in pairwise(chain(lines, [Line(0, "")])):
        if opened := OPENS.match(line.text):
            yield from session.add(part)
            yield from session.end()
            session, fence = _Session(opened[1], time_of(opened[1], tally)), ""
            part = _Part("assistant", line.locator)
            continue
        session.first = session.first or (line.text if line.text.strip() else "")
        speaker, text = _speaker_and_text(line.text, following.text, part.speaker, fenced=bool(fence))
        if speaker == "assistant":
            fence = _fence(fence, line.text)
        if speaker != part.speaker and (text or speaker != "assistant"):
            yield from session.add(part)
            part = _Part(speaker, line.locator)
        part.lines.append(text)
    yield from session.add(part)
    yield from session.end()


def _startup_header(output: str, header: SessionHeader) -> SessionHeader | None:
    """Read aider's version and model from its startup output; None if it has neither."""
    version, model = _VERSION.search(output), _MODEL.search(output)
    return replace(header, agent_version=version and version[1], model=model and model[1]) if version or model else None


def _speaker_and_text(text: str, following: str, speaking: str, *, fenced: bool) -> tuple[str, str]:
    """Split a line into (speaker, text). Code fences hide markers; aider ends its own lines with two spaces.

    A tool's output of several lines may end some otherwise: they are the tool's beside a line that ends so.
    """
    own = text.endswith(_OWN_END)
    if text.startswith("#### ") and own and not fenced:
        return "user", text[5:].rstrip()
    if text.startswith("> ") and not fenced:
        in_output = speaking == "tool" or (following.startswith("> ") and following.endswith(_OWN_END))
        if own or in_output:
            return "tool", text[2:].rstrip()
    if text == ">" and speaking == "tool" and not fenced:
        return "tool", ""
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


def _events(part: _Part, ids: Occurrences, at: datetime | None) -> Iterator[Event]:
    text = part.text
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
