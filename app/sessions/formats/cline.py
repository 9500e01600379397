"""Cline's `api_conversation_history.json` (Roo Code's too): an array of messages with blocks.

What a person wrote stands in tags (`<task>`, `<feedback>`), also within a tool's result. Tools are blocks or, in older histories, XML in
the answer's text, their results text in the next message. Finishing, asking and planning are tools too: what they say is the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from app.sessions.event import Event, SessionHeader
from app.sessions.formats.documents import DocumentReader, items
from app.sessions.formats.generic import PROVIDER as GENERIC
from app.sessions.formats.generic import is_distinct
from app.sessions.formats.lines import decoded, each_of
from app.sessions.formats.openings import beginning
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, exit_code_of, files_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, string, text_of, time_of
from app.sessions.formats.words import title_of
from app.settings import SessionsSettings

PROVIDER = "cline"
BEGINS = re.compile(r'\s*\[\s*\{\s*"role"\s*:\s*"user"')
MARKS = ("<environment_details>", "<task>\\n", "<user_message>\\n")
SPOKEN = {"attempt_completion": "result", "ask_followup_question": "question", "plan_mode_respond": "response"}
"""Tools whose input is said to the person, and the field that holds it."""
TOOLS = (
    "execute_command|read_file|write_to_file|replace_in_file|apply_diff|insert_content|search_and_replace|search_files|list_files"
    "|list_code_definition_names|codebase_search|browser_action|use_mcp_tool|access_mcp_resource|fetch_instructions|new_task|switch_mode"
)
_CALL = re.compile(rf"<(?P<name>{TOOLS}|{'|'.join(SPOKEN)})>(?P<given>.*?)</(?P=name)>", re.DOTALL)
_FIELD = re.compile(r"<(?P<name>\w{1,40})>(?P<value>.*?)</(?P=name)>", re.DOTALL)
_THINKING = re.compile(r"<thinking>(.*?)</thinking>", re.DOTALL)
_RESULT = re.compile(r"\[(?P<name>\w{1,40})(?: for '.*?')?\] Result:[ \n]*", re.DOTALL)
_TYPED = re.compile(r"<(task|feedback|answer|user_message)>(.*?)</\1>", re.DOTALL)
_DENIED = re.compile(r"The user denied this operation")
_FOLDER = re.compile(r"# Current (?:Working|Workspace) Directory \(([^)\n]{1,500})\)")
_REMOTE = re.compile(r'"associatedRemoteUrls"\s*:\s*\[\s*"(?:[\w-]+:\s+)?([^"\s]{1,500})"')
UNUSED_BLOCKS = frozenset({"redacted_thinking", "document"})
Record = dict[str, object]


@dataclass(slots=True)
class _History:
    """State of reading one history. `older`: calls written as XML, whose results name no call."""

    tally: ParseTally
    ids: Occurrences = field(default_factory=Occurrences)
    pending: Pending = field(default_factory=Pending)
    older: Pending = field(default_factory=Pending)


@dataclass(frozen=True, slots=True)
class _Message:
    """One message: its place, its time, and the model that wrote it."""

    locator: str
    at: datetime | None
    model: str | None


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[SessionHeader | Event]:
    first = beginning(chunks)
    messages = items(DocumentReader(decoded(chain([first], chunks)), limits.max_line_bytes), "item", tally)
    opening = [each for _, each in zip(range(2), messages, strict=False)]
    if not opening:
        return
    header = _header([record for _, record in opening], tally)
    history, titled, opened = _History(tally), False, False
    for locator, record in chain(opening, messages):
        for event in each_of(_events(history, record, locator), locator, tally):
            if not titled and event.kind == "prompt":
                titled = True
                header = replace(header, title=title_of(event.text), opens_with=event.id)
                yield header
            elif not opened:
                yield header
            opened = True
            yield event
    yield from _unspoken([*history.pending.rest(), *history.older.rest()])


def _header(opening: list[Record], tally: ParseTally) -> SessionHeader:
    """Name the session by its first message, as it was named when it was read as generic events."""
    named = opening[: 1 if is_distinct(opening[0]) else 2]
    name = content_id(*(json.dumps(record) for record in named))
    told = text_of(opening[0].get("content"))
    folder, remote = _FOLDER.search(told), _REMOTE.search(told)
    return SessionHeader(
        PROVIDER,
        name,
        started_at=time_of(opening[0].get("ts"), tally),
        directory=folder and folder[1],
        repository=remote and remote[1],
        model=next((model for record in opening if (model := _model(record))), None),
        formerly=((GENERIC, name),),
    )


def _model(record: Record) -> str | None:
    return string(mapping(record.get("modelInfo")).get("modelId")) or string(record.get("model"))


def _events(history: _History, record: Record, locator: str) -> Iterator[Event]:
    content, role = record.get("content"), record.get("role")
    blocks = [mapping(block) for block in content] if isinstance(content, list) else [{"type": "text", "text": content}]
    message = _Message(locator, time_of(record.get("ts"), history.tally), _model(record))
    if role == "user":
        yield from _given(history, blocks, message)
    elif role == "assistant":
        yield from _answered(history, blocks, message)
    else:
        history.tally.skip_kind("record", role)


def _given(history: _History, blocks: list[Record], message: _Message) -> Iterator[Event]:
    """Read a user's message: results, what the person wrote, and what Cline adds."""
    rest: list[str] = []
    older: PendingToolCall | None = None
    output: list[str] = []
    for block in blocks:
        if block.get("type") == "tool_result":
            yield from _result(history, block, message)
            continue
        text = text_of(block)
        if (found := _RESULT.match(text)) is not None:
            yield from _ended(history, older, output, message)
            older, output = history.older.oldest(), [text[found.end() :]]
        elif older is not None and not text.lstrip().startswith("<environment_details>"):
            output.append(text)
        else:
            rest.append(text)
    yield from _ended(history, older, output, message)
    said = "\n".join(text for text in rest if text)
    typed = list(_typed(history, said, message))
    yield from typed
    if not typed and said.strip():
        yield Event(history.ids.id("user", said.strip()), "system", "notice", said, message.locator, message.at)


def _typed(history: _History, text: str, message: _Message) -> Iterator[Event]:
    for _, words in _TYPED.findall(text):
        if words.strip():
            yield Event(history.ids.id("prompt", words.strip()), "user", "prompt", words.strip(), message.locator, message.at)


def _result(history: _History, block: Record, message: _Message) -> Iterator[Event]:
    call, output = history.pending.take(string(block.get("tool_use_id"))), text_of(block.get("content"))
    if call is None:
        history.tally.skip("tool result without its call")
    elif call.name not in SPOKEN:
        yield _used(call, output, failed=True if block.get("is_error") is True else None)
    yield from _typed(history, output, message)


def _ended(history: _History, call: PendingToolCall | None, output: list[str], message: _Message) -> Iterator[Event]:
    """Yield the result of a call that was written as XML, and what the person answered to it."""
    text = "\n".join(part for part in output if part)
    if call is not None and call.name not in SPOKEN:
        yield _used(call, text)
    yield from _typed(history, text, message)


def _used(call: PendingToolCall, output: str, *, failed: bool | None = None) -> Event:
    code = exit_code_of(output[:200])
    made = call.event(output, failed=failed, exit_code=code)
    return replace(made, outcome="rejected") if _DENIED.search(output[:200]) else made


def _answered(history: _History, blocks: list[Record], message: _Message) -> Iterator[Event]:
    """Read an assistant's message: what it says, thinks and calls."""
    words = "\n".join(text for block in blocks if block.get("type") == "text" and (text := text_of(block)))
    if words.strip():
        yield from _written(history, words, message)
    for block in blocks:
        match block.get("type"):
            case "tool_use":
                name, given = string(block.get("name")) or "tool", block.get("input")
                key = string(block.get("id")) or history.ids.id("tool", name, tool_input(name, given))
                call = PendingToolCall(key, name, tool_input(name, given), message.locator, message.at, model=message.model)
                spoken = string(mapping(given).get(SPOKEN.get(name, "")))
                if spoken:
                    yield Event(f"{key}#said", "assistant", "reply", spoken, message.locator, message.at, model=message.model)
                yield from _unspoken(history.pending.add(key, replace(call, files=files_of(given))))
            case "thinking" | "reasoning":
                if thought := string(block.get("thinking")) or text_of(block):
                    event_id = history.ids.id("thinking", thought)
                    yield Event(event_id, "assistant", "thinking", thought, message.locator, message.at, model=message.model)
            case "text" | "image":
                pass
            case other:
                history.tally.skip_kind("block", other, UNUSED_BLOCKS)


def _written(history: _History, words: str, message: _Message) -> Iterator[Event]:
    """Read an answer's text, and the thoughts and calls that older histories write as XML in it."""
    for thought in _THINKING.findall(words):
        if thought.strip():
            event_id = history.ids.id("thinking", thought.strip())
            yield Event(event_id, "assistant", "thinking", thought.strip(), message.locator, message.at, model=message.model)
    plain = _THINKING.sub("", words)
    said = [_CALL.sub("", plain).strip()]
    for found in _CALL.finditer(plain):
        given = {each["name"]: each["value"].strip() for each in _FIELD.finditer(found["given"])}
        said.append(given.get(SPOKEN.get(found["name"], ""), ""))
        key = history.ids.id("tool", found["name"], found["given"])
        name = found["name"]
        call = PendingToolCall(key, name, tool_input(name, given), message.locator, message.at, model=message.model, files=files_of(given))
        yield from _unspoken(history.older.add(key, call))
    if text := "\n\n".join(part for part in said if part):
        yield Event(
            history.ids.id("assistant", words.strip()), "assistant", "reply", text, message.locator, message.at, model=message.model
        )


def _unspoken(events: list[Event]) -> list[Event]:
    return [event for event in events if event.tool is not None and event.tool.name not in SPOKEN]
