"""SpecStory's Markdown exports, all header generations. Code fences are tracked, since bodies may quote other transcripts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.sessions.event import Event, SessionHeader
from app.sessions.formats.lines import Line, loads
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import MAX_PATH_CHARS, PendingToolCall, exit_code_of, files_of, said_in_rejection, tool_input
from app.sessions.formats.values import Occurrences, content_id, time_of
from app.sessions.formats.words import prompt_in

HEADER = re.compile(r"<!--\s*(?P<agent>[\w .-]+?) Session (?P<id>[0-9a-fA-F-]{36})\s*(?:\((?P<at>[^)]*)\))?\s*-->")
TURN = re.compile(r"_\*\*(?P<who>User|Assistant|Agent)(?P<side> - sidechain)?(?:\s*\((?P<facts>[^)]*)\))?\*\*_")
PROVIDERS = {"claude code": "claude-code", "codex cli": "codex", "cursor cli": "cursor"}
FILE_TOOLS = frozenset(
    (
        "read",
        "write",
        "edit",
        "multiedit",
        "notebookedit",
        "read_file",
        "edit_file",
        "write_file",
        "search_replace",
        "create_file",
        "delete_file",
    )
)
UNNAMED = "cursor"
"""Provider of the oldest exports, which name no agent: SpecStory began in Cursor."""
_TITLE = re.compile(r"#{1,2} (?P<title>.*?)(?: \((?P<at>[^()]*\d[^()]*)\))?\s*$")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T_]\d\d[:-]\d\d(?:[:-]\d\d)?Z?")
_MODEL = re.compile(r"(?:^|\bmodel )(?P<model>(?!model\b)[a-zA-Z][\w./:-]*\d[\w./:-]*)")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})(.*)$")
_TOOL = re.compile(r'<tool-use\b[^>]*?data-tool-name="(?P<name>[^"]*)"')
_OLD_TOOL = re.compile(r"<details>\s*<summary>Tool use: \*\*(?P<name>[^*]+)\*\*(?: • (?P<what>.*?))?(?:</summary>.*)?$")
_INLINE = re.compile(r"`([^`]+)`\s*$")
_TAGS = re.compile(r"</?(?:details|summary|think|tool-use)[^<>]{0,2000}>|<summary>[^<>\n]{0,2000}</summary>")


@dataclass(slots=True)
class _Turn:
    """One speaker's turn. `expands`: the text that a slash command expanded to, which nobody typed."""

    who: str
    locator: str
    at: datetime | None = None
    sidechain: bool = False
    expands: bool = False
    model: str | None = None
    words: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """A `<think>` block or a tool use inside a turn."""

    kind: str
    name: str
    locator: str
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _State:
    """State of parsing one export: the open turn, block and code fence."""

    tally: ParseTally
    ids: Occurrences = field(default_factory=Occurrences)
    turn: _Turn | None = None
    block: _Block | None = None
    fence: str = ""


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event]:
    state = _State(tally)
    header: SessionHeader | None = None
    title, started = None, None
    for line in lines:
        if not state.fence and (found := HEADER.match(line.text)) is not None:
            yield from _end_turn(state)
            header = _header(found, title, tally)
            state.ids = Occurrences()
            yield header
            continue
        if state.turn is None and title is None and (named := _TITLE.match(line.text)) and named["title"] != "SpecStory":
            title, started = named["title"], _time(named["at"], tally)
            if _TIME.fullmatch(title) is not None:  # no title of its own
                title, started = None, _time(title, tally)
            if header is not None:
                yield SessionHeader(header.provider, header.external_id, title, header.started_at or started)
        elif _opens_turn(state, line):
            ended = list(_end_turn(state))
            if header is None and ended:
                header = SessionHeader(UNNAMED, content_id(ended[0].text.strip()), title, started)
                yield header
            yield from ended
            command = ended[-1] if ended and ended[-1].text.startswith("<command-") else None
            state.turn = _turn(line, tally)
            state.turn.expands = command is not None and state.turn.at is not None and state.turn.at == command.at
        elif state.turn is not None:
            yield from _body(state, line)
    ended = list(_end_turn(state))
    if header is None and ended:
        yield SessionHeader(UNNAMED, content_id(ended[0].text.strip()), title, started)
    yield from ended


def _header(found: re.Match[str], title: str | None, tally: ParseTally) -> SessionHeader:
    agent = found["agent"].strip().casefold()
    provider = PROVIDERS.get(agent, agent.replace(" ", "-"))
    return SessionHeader(provider, found["id"].lower(), title, _time(found["at"], tally))


def _opens_turn(state: _State, line: Line) -> bool:
    return not state.fence and state.block is None and TURN.fullmatch(line.text.strip()) is not None


def _turn(line: Line, tally: ParseTally) -> _Turn:
    found = TURN.fullmatch(line.text.strip())
    assert found is not None
    named = _MODEL.search(found["facts"] or "")
    model = named["model"] if named is not None and found["who"] != "User" else None
    return _Turn(found["who"], line.locator, _time(found["facts"], tally), found["side"] is not None, model=model)


def _body(state: _State, line: Line) -> Iterator[Event]:
    """Handle a line inside a turn: part of a block, the beginning of one, or the speaker's text."""
    assert state.turn is not None
    text = line.text
    if state.block is not None:
        state.block.lines.append(text)
        # A tool's output may hold unbalanced fences: a line that is nothing but the closing tag ends the block anyway.
        if _closes(state.block, text) and (not state.fence or text.strip() in {"</details></tool-use>", "</tool-use>"}):
            state.fence = ""
            yield from _end_block(state)
        else:
            state.fence = _open_fence(state.fence, text)
        return
    if not state.fence and (opened := _opened_block(line)) is not None:
        yield from _flush_words(state)
        state.block = opened
        if _closes(opened, text):
            yield from _end_block(state)
        return
    if not state.fence and text.strip() == "---":
        return
    state.fence = _open_fence(state.fence, text)
    state.turn.words.append(text)


def _opened_block(line: Line) -> _Block | None:
    text = line.text.lstrip()
    if text.startswith("<think>"):
        return _Block("think", "", line.locator, [text])
    if found := _TOOL.match(text):
        return _Block("tool", html.unescape(found["name"]), line.locator, [text])
    if found := _OLD_TOOL.match(text):
        return _Block("details", found["name"], line.locator, [f"`{found['what']}`"] if found["what"] else [])
    if text.startswith("<details>"):
        return _Block("details", "details", line.locator, [text])
    return None


def _closes(block: _Block, text: str) -> bool:
    end = {"think": "</think>", "tool": "</tool-use>", "details": "</details>"}[block.kind]
    return end in text


def _open_fence(fence: str, text: str) -> str:
    """Return the fence open after this line. Only the same character, at least as long and with nothing behind it, closes a fence."""
    found = _FENCE.match(text)
    if found is None:
        return fence
    if not fence:
        return found[1]
    return "" if found[1][0] == fence[0] and len(found[1]) >= len(fence) and not found[2].strip() else fence


def _end_block(state: _State) -> Iterator[Event]:
    block, turn = state.block, state.turn
    assert block is not None and turn is not None  # noqa: PT018 - one fact
    state.block = None
    if block.kind == "think":
        words = _TAGS.sub("", "\n".join(block.lines).replace("Thought Process", "", 1)).strip()
        if words:
            yield Event(
                state.ids.id("thinking", words),
                "assistant",
                "thinking",
                words,
                block.locator,
                turn.at,
                sidechain=turn.sidechain,
                model=turn.model,
            )
        return
    given, output = _tool_parts(block)
    event_id = state.ids.id("tool", block.name, given, output[:2000])
    call = PendingToolCall(event_id, block.name, given, block.locator, turn.at, turn.sidechain, turn.model, files=_files(block.name, given))
    yield call.event(output, exit_code=exit_code_of(output[:200]) if output else None)
    if (said := said_in_rejection(output)) and not turn.sidechain:
        yield Event(state.ids.id("prompt", said), "user", "prompt", said, block.locator, turn.at)


def _tool_parts(block: _Block) -> tuple[str, str]:
    """Split a tool block into (input, output): an inline command or the first shell fence, then the other fences."""
    given, fence, info, section = "", "", "", ""
    outputs: list[str] = []
    held: list[str] = []
    for line in block.lines:
        found = _FENCE.match(line)
        before, fence = fence, _open_fence(fence, line)
        if found and not before:
            info, held = found[2].strip(), []
        elif found and before and not fence:
            content = "\n".join(held)
            if not given and (info in {"bash", "sh", "shell", "powershell"} or section == "Parameters"):
                given = _parameters(block.name, content) if section == "Parameters" else content
            else:
                outputs.append(content)
        elif before:
            held.append(line)
        elif (inline := _INLINE.match(line.strip())) and not given:
            given = inline[1]
        elif line.strip().rstrip(":") in {"Parameters", "Result"}:
            section = line.strip().rstrip(":")
        elif not given and (rest := _TAGS.sub("", line).strip()) and "`" in rest:
            given = rest
    if fence and held:
        outputs.append("\n".join(held))
    return given, "\n".join(outputs).strip()


def _files(tool: str, given: str) -> tuple[str, ...]:
    """Return the files of a tool call: for a file tool, the path that begins its input."""
    first = given.split("\n", 1)[0].strip()
    return (first,) if tool.casefold() in FILE_TOOLS and 0 < len(first) <= MAX_PATH_CHARS and " " not in first else files_of(given)


def _parameters(name: str, content: str) -> str:
    try:
        return tool_input(name, loads(html.unescape(content)))
    except (ValueError, RecursionError):
        return content


def _end_turn(state: _State) -> Iterator[Event]:
    """Close the turn and its open block, and yield their events."""
    if state.turn is None:
        return
    if state.block is not None:
        yield from _end_block(state)
    yield from _flush_words(state)
    state.turn, state.fence = None, ""


def _flush_words(state: _State) -> Iterator[Event]:
    """Yield the text gathered so far as an event."""
    turn = state.turn
    assert turn is not None
    text, turn.words = "\n".join(turn.words).strip(), []
    if not text:
        return
    if turn.who != "User":
        yield Event(
            state.ids.id("reply", text), "assistant", "reply", text, turn.locator, turn.at, sidechain=turn.sidechain, model=turn.model
        )
    elif (typed := prompt_in(text)) is None or turn.sidechain or turn.expands:
        yield Event(state.ids.id("notice", text), "system", "notice", text, turn.locator, turn.at, sidechain=turn.sidechain)
    else:
        yield Event(state.ids.id("prompt", typed), "user", "prompt", typed, turn.locator, turn.at)


def _time(facts: str | None, tally: ParseTally) -> datetime | None:
    found = _TIME.search(facts or "")
    if found is None:
        return None
    day, _, clock = found[0].replace("_", " ").replace("T", " ").partition(" ")
    return time_of(f"{day}T{clock.replace('-', ':')}", tally)
