"""Read the input of a Responses request into turns: messages, calls and their outputs, reasoning, items of other kinds. Pure.

Items of one speaker that follow each other become one turn: a model's reasoning, words and calls are one answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from app.inference.conversation import (
    Audio,
    ContentSource,
    Document,
    Image,
    Opaque,
    Part,
    RefusalText,
    Role,
    Text,
    Thinking,
    ToolInvocation,
    ToolKind,
    ToolResult,
    Turn,
)
from app.inference.dialects.fields import Fields, kind_of
from app.inference.dialects.responses.items import qualified, thought

MAX_PARTS, MAX_NAME_CHARS = 1_000, 256
ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
IMAGE_DATA = re.compile(r"data:(image/[a-z+.-]+);base64,")
FILE_DATA = re.compile(r"data:([a-z0-9.+/-]+)(?:;[a-z0-9=-]+)*;base64,", re.IGNORECASE)
DETAILS: Final[Mapping[str, str]] = {"auto": "auto", "low": "low", "high": "high", "original": "high"}
"""Details of a picture. No other dialect has "original"."""
CALLS: Final[Mapping[str, tuple[ToolKind, str]]] = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
OUTPUTS: Final[Mapping[str, ToolKind]] = {"function_call_output": "function", "custom_tool_call_output": "custom"}


class ItemReader:
    """Collects turns, item by item, and checks that calls and their outputs belong together."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._last = ""
        """The kind of the last turn: "answer", "output", or "" for a message, which stands alone."""
        self._calls: set[str] = set()
        self._open: dict[str, tuple[str, str]] = {}
        """The place and kind of each call that has no output yet, by its id."""

    def add(self, item: Fields) -> None:
        """Read one item. Raises InvalidInput with the path of what is wrong."""
        kind = item.value("type")
        match kind:
            case None | "message":
                self._message(item)
            case "function_call" | "custom_tool_call":
                self._add("answer", "assistant", self._call(item, kind), item.path)
            case "function_call_output" | "custom_tool_call_output":
                self._add("output", "user", self._output(item, kind), item.path)
            case "reasoning":
                self._add("answer", "assistant", reasoning(item), item.path)
            case "item_reference":
                raise item.invalid("refers to a stored item, but Cairn stores none: send the item itself")
            case str():
                made = Opaque("responses", kind, item.whole)
                self._add(*(("output", "user") if kind.endswith("_output") else ("answer", "assistant")), made, item.path)
            case _:
                raise item.wrong("type", f"must be a string, not {kind_of(kind)}")

    def end(self, request: Fields) -> None:
        """Check the whole. Raises InvalidInput for a call without its output, and if nothing was said."""
        if not self.turns:
            raise request.wrong("input", "is missing: give a string, or a list of items with at least one message of the user's")
        for call, (place, kind) in self._open.items():
            raise Fields({}, place).invalid(f"is the call {call!r}, which has no output: add its {kind}_output, or leave the call out")

    def _message(self, item: Fields) -> None:
        told = item.choice("role", ROLES)
        if told is None:
            raise item.wrong("role", f"is missing: give one of {', '.join(sorted(ROLES))}")
        role = ROLES[told]
        parts = tuple(contents(item, "content"))
        if not parts and role == "user":
            raise item.wrong("content", "is empty: send a text, or leave the message out")
        if role != "assistant":
            self._last = ""
        for part, path in parts:
            self._add("answer" if role == "assistant" else "message", role, part, path)
        if role != "assistant":
            self._last = ""

    def _add(self, kind: str, role: Role, part: Part, path: str) -> None:
        """Add a part to the last turn, if that is of the same kind; else to a turn of its own."""
        if kind == self._last:
            turn = self.turns[-1]
            self.turns[-1] = replace(turn, parts=(*turn.parts, part), places=(*turn.places, path))
            return
        self.turns.append(Turn(role, (part,), places=(path,)))
        self._last = kind

    def _call(self, item: Fields, kind: str) -> ToolInvocation:
        tool, field = CALLS[kind]
        call_id = item.needed_text("call_id", max_chars=MAX_NAME_CHARS)
        name = qualified(item.text("namespace", max_chars=MAX_NAME_CHARS), item.needed_text("name", max_chars=MAX_NAME_CHARS))
        given = item.text(field)
        if given is None:
            raise item.wrong(field, "is missing: give a string")
        self._calls.add(call_id)
        self._open[call_id] = (item.path, kind)
        return ToolInvocation(call_id, name, given, tool)

    def _output(self, item: Fields, kind: str) -> ToolResult:
        call_id = item.needed_text("call_id", max_chars=MAX_NAME_CHARS)
        if call_id not in self._calls:
            raise item.wrong("call_id", f"is {call_id!r}, but no earlier item makes that call: send the call too, or leave out its output")
        self._open.pop(call_id, None)
        return ToolResult(call_id, tuple(part for part, _ in contents(item, "output")), kind=OUTPUTS[kind])


def reasoning(item: Fields) -> Thinking:
    """Read a reasoning item: its summary, else its whole text if there is one, and its seal."""
    texts = [part.text("text") or "" for part in item.objects("summary", maximum=MAX_PARTS)]
    if not any(texts):
        texts = [part.text("text") or "" for part in item.objects("content", maximum=MAX_PARTS)]
    return thought("\n\n".join(texts), item.text("encrypted_content") or None, item.text("id"))


def contents(item: Fields, name: str) -> Iterator[tuple[Part, str]]:
    """Yield the parts of a message's content or a call's output, each with its path. An empty text is no part."""
    found = item.value(name)
    if isinstance(found, str):
        if found:
            yield Text(found), item.at(name)
        return
    if not isinstance(found, list):
        raise item.wrong(name, f"must be a string or a list of parts, not {kind_of(found)}")
    for part in item.objects(name, maximum=MAX_PARTS):
        for made in _content(part):
            yield made, part.path


def _content(part: Fields) -> Iterator[Part]:
    match part.value("type"):
        case "input_text" | "output_text" | "text":
            if text := part.present_text("text"):
                yield Text(text)
        case "refusal":
            yield RefusalText(part.present_text("refusal"))
        case "input_image":
            yield _image(part)
        case "input_file":
            yield _document(part)
        case "input_audio":
            inner = part.needed_object("input_audio")
            yield Audio(inner.needed_text("data"), inner.needed_text("format", max_chars=20))
        case str(kind) if kind:
            yield Opaque("responses", kind, part.whole)
        case _:
            raise part.wrong("type", "is missing: give input_text, input_image, input_file or output_text")


def _image(part: Fields) -> Image:
    url, file_id, told = part.text("image_url"), part.text("file_id", max_chars=512), part.choice("detail", DETAILS)
    detail = None if told is None else DETAILS[told]
    if url is None and file_id is None:
        raise part.wrong("image_url", "is missing: give the picture inline (data:image/png;base64,…) or a URL that begins with https://")
    if url is None:
        return Image(ContentSource(file_id=file_id), None, detail)
    if (found := IMAGE_DATA.match(url)) is not None:
        return Image(ContentSource(data=url[found.end() :]), found[1], detail)
    if not url.startswith("https://"):
        raise part.wrong("image_url", "must be a picture inline (data:image/png;base64,…) or begin with https://")
    return Image(ContentSource(url=url), None, detail)


def _document(part: Fields) -> Document:
    name, data = part.text("filename", max_chars=512), part.text("file_data")
    url, file_id = part.text("file_url"), part.text("file_id", max_chars=512)
    if data is not None:
        found = FILE_DATA.match(data)
        if found is None:
            raise part.wrong("file_data", "must be the file inline: data:application/pdf;base64,…")
        return Document(ContentSource(data=data[found.end() :]), found[1].lower(), name)
    if url is not None:
        return Document(ContentSource(url=url), None, name)
    if file_id is None:
        raise part.wrong("file_data", "is missing: give the file inline, data:application/pdf;base64,…")
    return Document(ContentSource(file_id=file_id), None, name)


def input_items(request: Fields) -> Iterator[Fields | str]:
    """Yield the input: one string, or items."""
    found: Any = request.value("input")
    if isinstance(found, str):
        yield found
    elif found is not None and not isinstance(found, list):
        raise request.wrong("input", f"must be a string or a list of items, not {kind_of(found)}")
    else:
        yield from request.objects("input", maximum=MAX_ITEMS)


MAX_ITEMS: Final = 20_000
