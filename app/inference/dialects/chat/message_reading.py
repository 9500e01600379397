"""Read the messages of a Chat Completions request into turns: contents, tool calls and their results, thinking. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.inference.conversation import (
    Audio,
    CacheLifetime,
    ContentSource,
    Document,
    Image,
    Opaque,
    Part,
    RefusalText,
    Text,
    Thinking,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.dialects.fields import Fields, kind_of, wrong

MAX_PARTS, MAX_CALLS, MAX_NAME_CHARS = 1_000, 512, 256
IMAGE_DATA = re.compile(r"data:(image/[a-z+.-]+);base64,")
FILE_DATA = re.compile(r"data:([a-z0-9.+/-]+)(?:;[a-z0-9=-]+)*;base64,", re.IGNORECASE)
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
LIFETIMES: dict[str, CacheLifetime] = {"5m": "5m", "1h": "1h"}


class MessageReader:
    """Collects turns, message by message. Results that follow each other become one turn of the user's, as in other dialects."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._custom: set[str] = set()
        self._functions: dict[str, str] = {}
        """The ids given to calls of the older form, which has none, by the function's name."""
        self._after_result = False

    def add(self, message: Fields) -> None:
        """Read one message. Raises InvalidInput with the path of what is wrong."""
        role = message.choice("role", ROLES)
        match role:
            case None:
                raise message.wrong("role", f"is missing: give one of {', '.join(sorted(ROLES))}")
            case "tool" | "function":
                self._add_result(self._result(message, older=role == "function"))
            case "assistant":
                self._add(Turn("assistant", tuple(self._said(message)), name=_speaker(message)))
            case _:
                self._add(Turn(role, _marked(message, tuple(contents(message, "content"))), name=_speaker(message)))  # type: ignore[arg-type]

    def _add(self, turn: Turn) -> None:
        self._after_result = False
        self.turns.append(turn)

    def _add_result(self, result: ToolResult) -> None:
        if self._after_result:
            self.turns[-1] = replace(self.turns[-1], parts=(*self.turns[-1].parts, result))
            return
        self.turns.append(Turn("user", (result,)))
        self._after_result = True

    def _result(self, message: Fields, *, older: bool) -> ToolResult:
        if older:
            name = message.needed_text("name", max_chars=MAX_NAME_CHARS)
            call = self._functions.get(name)
            if call is None:
                raise message.wrong("name", f"is {name!r}, but no earlier message of the assistant calls that function")
        else:
            call = message.needed_text("tool_call_id", max_chars=MAX_NAME_CHARS)
        parts = tuple(contents(message, "content"))
        return ToolResult(call, parts, kind="custom" if call in self._custom else "function", cache=cache_mark(message))

    def _said(self, message: Fields) -> Iterator[Part]:
        """Yield an assistant's parts: what it thought, said, and called."""
        yield from thoughts(message)
        yield from _marked(message, tuple(contents(message, "content")))
        if refusal := message.text("refusal"):
            yield RefusalText(refusal)
        for call in message.objects("tool_calls", maximum=MAX_CALLS):
            made = _call(call)
            if made.kind == "custom":
                self._custom.add(made.id)
            else:
                self._custom.discard(made.id)
            yield made
        if (function := message.object("function_call")) is not None:
            name = function.needed_text("name", max_chars=MAX_NAME_CHARS)
            self._functions[name] = made_id = f"call_{len(self.turns)}"
            yield ToolInvocation(made_id, name, function.text("arguments") or "")


def contents(message: Fields, name: str) -> Iterator[Part]:
    """Yield the parts of a message's content. An empty text is no part."""
    found = message.value(name)
    if isinstance(found, str):
        if found:
            yield Text(found)
        return
    if found is not None and not isinstance(found, list):
        raise message.wrong(name, f"must be a string or a list of parts, not {kind_of(found)}")
    for part in message.objects(name, maximum=MAX_PARTS):
        yield from _content(part)


def _content(part: Fields) -> Iterator[Part]:
    match part.value("type"):
        case "text":
            if text := part.present_text("text"):
                yield Text(text, cache_mark(part))
        case "refusal":
            yield RefusalText(part.present_text("refusal"))
        case "image_url":
            yield _image(part)
        case "file":
            yield _document(part)
        case "input_audio":
            inner = part.needed_object("input_audio")
            yield Audio(inner.needed_text("data"), inner.needed_text("format", max_chars=20))
        case "thinking" | "redacted_thinking":
            yield _thought(part)
        case str(kind) if kind:
            yield Opaque("chat", kind, part.whole)
        case _:
            raise part.wrong("type", "is missing: give text, image_url, file or refusal")


def _image(part: Fields) -> Image:
    inner = part.needed_object("image_url")
    url, detail = inner.needed_text("url"), inner.choice("detail", {"auto", "low", "high"})
    if (found := IMAGE_DATA.match(url)) is not None:
        return Image(ContentSource(data=url[found.end() :]), found[1], detail, cache_mark(part))
    if not url.startswith("https://"):
        raise inner.wrong("url", "must be an image inline (data:image/png;base64,…) or begin with https://")
    return Image(ContentSource(url=url), None, detail, cache_mark(part))


def _document(part: Fields) -> Document:
    inner = part.needed_object("file")
    name, data, file_id = inner.text("filename", max_chars=512), inner.text("file_data"), inner.text("file_id", max_chars=512)
    if data is not None:
        found = FILE_DATA.match(data)
        if found is None:
            raise inner.wrong("file_data", "must be the file inline: data:application/pdf;base64,…")
        return Document(ContentSource(data=data[found.end() :]), found[1].lower(), name, cache_mark(part))
    if file_id is None:
        raise inner.wrong("file_data", "is missing: give the file inline, data:application/pdf;base64,…")
    return Document(ContentSource(file_id=file_id), None, name, cache_mark(part))


def thoughts(message: Fields) -> Iterator[Thinking]:
    """Yield the thinking that a message carries: in blocks with their signatures, as litellm writes them, else as plain text."""
    blocks = message.items("thinking_blocks", maximum=MAX_PARTS)
    for name in ("reasoning_content", "reasoning"):
        text = message.value(name)
        if not blocks and isinstance(text, str) and text:
            yield Thinking(text)
            return
    for block in message.objects("thinking_blocks", maximum=MAX_PARTS):
        yield _thought(block)


def _thought(block: Fields) -> Thinking:
    match block.value("type"):
        case "thinking":
            return Thinking(block.text("thinking") or "", signature=block.text("signature") or None)
        case "redacted_thinking":
            return Thinking("", sealed=block.needed_text("data"))
    raise block.wrong("type", "must be thinking or redacted_thinking")


def _call(call: Fields) -> ToolInvocation:
    made_id = call.needed_text("id", max_chars=MAX_NAME_CHARS)
    kind = call.choice("type", {"function", "custom"}) or "function"
    inner = call.needed_object(kind)
    name = inner.needed_text("name", max_chars=MAX_NAME_CHARS)
    if kind == "custom":
        return ToolInvocation(made_id, name, inner.text("input") or "", "custom", cache_mark(call))
    return ToolInvocation(made_id, name, inner.text("arguments") or "", cache=cache_mark(call))


def cache_mark(part: Fields) -> CacheLifetime | None:
    """Read Anthropic's `cache_control`, which litellm's users write into this dialect."""
    mark = part.object("cache_control")
    if mark is None:
        return None
    if mark.value("type") != "ephemeral":
        raise mark.wrong("type", "must be ephemeral")
    lifetime = mark.choice("ttl", LIFETIMES)
    return LIFETIMES[lifetime] if lifetime is not None else "5m"


def _marked(message: Fields, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Put a mark that stands on the message on its last part that can carry one."""
    mark = cache_mark(message)
    if mark is None or not parts or not isinstance(last := parts[-1], Text | Image | Document) or last.cache is not None:
        return parts
    return (*parts[:-1], replace(last, cache=mark))


def _speaker(message: Fields) -> str | None:
    name: Any = message.text("name", max_chars=MAX_NAME_CHARS)
    if name is not None and not name.isprintable():
        raise wrong(message.at("name"), "must be printable")
    return name or None
