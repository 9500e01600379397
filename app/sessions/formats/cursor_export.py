"""Cursor's Markdown export of a chat: a title, when it was exported, and turns under `**User**` and `**Cursor**` between rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.sessions.event import Event, SessionHeader
from app.sessions.formats.lines import Line
from app.sessions.formats.values import Occurrences, content_id
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "cursor"
EXPORTED = re.compile(r"_Exported on .{4,80} from Cursor(?: \((?P<version>[\w.+-]{1,40})\))?_\s*")
TURN = re.compile(r"\*\*(?P<who>User|Cursor|Assistant)\*\*")
_TITLE = re.compile(r"# (?P<title>\S.*)")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})(.*)$")


@dataclass(slots=True)
class _Turn:
    """One speaker's turn."""

    who: str
    locator: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def parse(lines: Iterator[Line]) -> Iterator[SessionHeader | Event]:
    """Parse an export. It names no session, and its time is that of the export: the first two turns identify it."""
    turns, title, version = _turns(lines), None, None
    opening: list[_Turn] = []
    for each in turns:
        if isinstance(each, _Turn):
            opening.append(each)
            if len(opening) == 2:
                break
        elif (found := EXPORTED.fullmatch(each.text)) is not None:
            version = found["version"]
        elif title is None and (named := _TITLE.fullmatch(each.text)) is not None:
            title = named["title"].strip()
    if not opening:
        return
    ids = Occurrences()
    first = next((turn.text for turn in opening if turn.who == "User"), "")
    yield SessionHeader(
        PROVIDER,
        content_id(*(turn.text for turn in opening)),
        title or title_of(first),
        agent_version=version,
        title_given=title is not None,
    )
    for turn in opening:
        yield from _events(turn, ids)
    for each in turns:
        if isinstance(each, _Turn):
            yield from _events(each, ids)


def _turns(lines: Iterator[Line]) -> Iterator[Line | _Turn]:
    """Yield the lines before the first turn, then the turns. A turn opens at its speaker's name under a rule, outside of code."""
    turn: _Turn | None = None
    fence, ruled = "", False
    for line in lines:
        text = line.text.strip()
        opens = TURN.fullmatch(text) if ruled and not fence else None
        if opens is not None:
            if turn is not None:
                yield _without_rule(turn)
            turn = _Turn(opens["who"], line.locator)
        elif turn is None:
            yield line
        else:
            turn.lines.append(line.text)
            fence = _open_fence(fence, line.text)
        ruled = not fence and (text == "---" or (ruled and not text))
        fence = "" if opens is not None else fence
    if turn is not None:
        yield _without_rule(turn)


def _without_rule(turn: _Turn) -> _Turn:
    """Drop the rule that ends a turn."""
    while turn.lines and not turn.lines[-1].strip():
        turn.lines.pop()
    if turn.lines and turn.lines[-1].strip() == "---":
        turn.lines.pop()
    return turn


def _open_fence(fence: str, text: str) -> str:
    """Return the fence open after this line. Only the same character, at least as long and with nothing behind it, closes a fence."""
    found = _FENCE.match(text)
    if found is None:
        return fence
    if not fence:
        return found[1]
    return "" if found[1][0] == fence[0] and len(found[1]) >= len(fence) and not found[2].strip() else fence


def _events(turn: _Turn, ids: Occurrences) -> Iterator[Event]:
    if not turn.text:
        return
    typed = prompt_in(turn.text) if turn.who == "User" else None
    if turn.who != "User":
        yield Event(ids.id("reply", turn.text), "assistant", "reply", turn.text, turn.locator)
    elif typed is None:
        yield Event(ids.id("notice", turn.text), "system", "notice", turn.text, turn.locator)
    else:
        yield Event(ids.id("prompt", typed), "user", "prompt", typed, turn.locator)
