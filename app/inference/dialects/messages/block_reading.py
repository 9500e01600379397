"""Read the messages of a Messages request into turns: content blocks, tool calls and their results, thinking. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

import msgspec

from app.inference.conversation import (
    CacheLifetime,
    ContentSource,
    Document,
    Image,
    Opaque,
    Part,
    Role,
    Text,
    Thinking,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.dialects.fields import Fields, kind_of
from app.inference.dialects.messages.blocks import citations_of

MAX_BLOCKS, MAX_NAME_CHARS, MAX_TITLE_CHARS = 1_000, 256, 500
ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
LIFETIMES: Final[dict[str, CacheLifetime]] = {"5m": "5m", "1h": "1h"}
ONLY: Final[dict[str, tuple[str, ...]]] = {
    "image": ("user",),
    "document": ("user",),
    "search_result": ("user",),
    "tool_result": ("user",),
    "tool_use": ("assistant",),
    "thinking": ("assistant",),
    "redacted_thinking": ("assistant",),
}
"""The roles in whose messages a block may stand."""


class BlockTurnReader:
    """Collects turns, message by message, and checks that tool calls and their results belong together.

    `citations`: True once a document asks for citations, which no other dialect knows.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.citations = False
        self._calls: set[str] = set()
        self._open: dict[str, str] = {}
        """The place of each call that has no result yet, by its id."""
        self._role: Role | None = None

    def add(self, message: Fields) -> None:
        """Read one message. Raises InvalidInput with the path of what is wrong."""
        told = message.choice("role", ROLES)
        if told is None:
            raise message.wrong("role", "is missing: give user or assistant")
        role = ROLES[told]
        if role == "assistant" and self._role != "assistant":
            self._check_results(message)
        parts = tuple(self._contents(message, role))
        if not parts and role == "user":
            raise message.wrong("content", "is empty: send a text, or leave the message out")
        self._role = role
        if parts:
            self.turns.append(Turn(role, parts))

    def end(self, messages: Fields) -> None:
        """Check the whole. Raises InvalidInput if the last turn leaves a call without its result, or if nothing was said."""
        if not self.turns:
            raise messages.wrong("messages", "contains no user message: give at least one")
        if self._role != "assistant":
            self._check_results(None)

    def _check_results(self, message: Fields | None) -> None:
        for call, place in self._open.items():
            where = "before the end" if message is None else f"before {message.path}"
            raise Fields({}, place).invalid(f"is the tool call {call!r}, which has no result {where}: add its tool_result, or leave it out")

    def _contents(self, message: Fields, role: Role) -> Iterator[Part]:
        """Yield a message's parts. A text without anything in it is no part."""
        found = message.value("content")
        if isinstance(found, str):
            if found:
                yield Text(found)
            return
        if not isinstance(found, list):
            raise message.wrong("content", f"must be a string or a list of blocks, not {kind_of(found)}")
        for block in message.objects("content", maximum=MAX_BLOCKS):
            kind = block.value("type")
            allowed = ONLY.get(kind, (role,)) if isinstance(kind, str) else (role,)
            if role not in allowed:
                raise block.invalid(
                    f"is a {kind} block in a message of the role {role}: it is allowed only in a message of the role {allowed[0]}"
                )
            yield from self._block(block, kind)

    def _block(self, block: Fields, kind: object) -> Iterator[Part]:
        match kind:
            case "tool_use":
                yield self._call(block)
            case "tool_result":
                yield self._result(block)
            case "thinking":
                yield Thinking(block.text("thinking") or "", signature=block.text("signature") or None)
            case "redacted_thinking":
                yield Thinking("", sealed=block.needed_text("data"))
            case _:
                yield from self._content(block)

    def _call(self, block: Fields) -> ToolInvocation:
        name, call_id = block.needed_text("name", max_chars=MAX_NAME_CHARS), block.needed_text("id", max_chars=MAX_NAME_CHARS)
        given = block.mapping("input")
        if given is None:
            raise block.wrong("input", "is missing: give an object, {} for no arguments")
        self._calls.add(call_id)
        self._open[call_id] = block.path
        return ToolInvocation(call_id, name, msgspec.json.encode(given).decode(), cache=cache_mark(block))

    def _result(self, block: Fields) -> ToolResult:
        call_id = block.needed_text("tool_use_id", max_chars=MAX_NAME_CHARS)
        if call_id not in self._calls:
            reason = f"is {call_id!r}, but no earlier message of the assistant makes that tool call"
            raise block.wrong("tool_use_id", f"{reason}: send the tool_use block too, or leave out its result")
        self._open.pop(call_id, None)
        found, parts = block.value("content"), tuple[Part, ...]()
        if isinstance(found, str):
            parts = (Text(found),) if found else ()
        elif found is not None:
            parts = tuple(part for each in block.objects("content", maximum=MAX_BLOCKS) for part in self._content(each))
        return ToolResult(call_id, parts, failed=block.flag("is_error") or False, cache=cache_mark(block))

    def _content(self, block: Fields) -> Iterator[Part]:
        """Yield what a block of a message or of a tool's result becomes."""
        match block.value("type"):
            case "text":
                if (text := block.text("text")) is None:
                    raise block.wrong("text", "is missing: give a string")
                if text:
                    yield Text(text, cache_mark(block), citations_of(block.value("citations")))
            case "image":
                yield _image(block)
            case "document":
                citations = block.object("citations")
                self.citations = self.citations or (citations is not None and bool(citations.flag("enabled")))
                if context := block.text("context"):
                    yield Text(context)
                yield _document(block)
            case "search_result":
                yield _search_result(block)
            case "tool_use" | "tool_result" | "thinking" | "redacted_thinking" as kind:
                raise block.invalid(f"is a {kind} block within a tool's result: give text, image or document")
            case str(kind) if kind:
                yield Opaque("messages", kind, block.whole)
            case _:
                raise block.wrong("type", "is missing: give text, image, document, tool_use or tool_result")


def system_turn(request: Fields) -> Iterator[Turn]:
    """Yield the turn of the system prompt, given as a string or as text blocks; none if it is empty."""
    found = request.value("system")
    if isinstance(found, str):
        parts = [Text(found)] if found else []
    elif found is None or isinstance(found, list):
        parts = []
        for block in request.objects("system", maximum=MAX_BLOCKS):
            if block.value("type") != "text":
                raise block.wrong("type", "must be text: a system prompt takes no other block")
            if text := block.text("text"):
                parts.append(Text(text, cache_mark(block)))
    else:
        raise request.wrong("system", f"must be a string or a list of text blocks, not {kind_of(found)}")
    if parts:
        yield Turn("system", tuple(parts))


def cache_mark(block: Fields) -> CacheLifetime | None:
    """Read the mark up to which the provider is asked to keep the prompt. Its fields beside type and ttl are no concern of ours."""
    mark = block.object("cache_control")
    if mark is None:
        return None
    if mark.value("type") != "ephemeral":
        raise mark.wrong("type", "must be ephemeral")
    return LIFETIMES[mark.choice("ttl", LIFETIMES) or "5m"]


def _image(block: Fields) -> Image:
    source = block.needed_object("source")
    match source.value("type"):
        case "base64":
            media_type = source.choice("media_type", IMAGE_TYPES)
            if media_type is None:
                raise source.wrong("media_type", f"is missing: give one of {', '.join(sorted(IMAGE_TYPES))}")
            return Image(ContentSource(data=source.needed_text("data")), media_type, cache=cache_mark(block))
        case "url":
            return Image(ContentSource(url=_url(source)), cache=cache_mark(block))
        case "file":
            return Image(ContentSource(file_id=source.needed_text("file_id", max_chars=MAX_NAME_CHARS)), cache=cache_mark(block))
    raise source.wrong("type", "must be base64, url or file")


def _document(block: Fields) -> Document:
    source, name = block.needed_object("source"), block.text("title", max_chars=MAX_TITLE_CHARS)
    match source.value("type"):
        case "base64":
            media_type = source.needed_text("media_type", max_chars=100)
            return Document(ContentSource(data=source.needed_text("data")), media_type, name, cache_mark(block))
        case "text":
            return text_document(source.needed_text("data"), name, cache_mark(block))
        case "content":
            return text_document(_texts(source), name, cache_mark(block))
        case "url":
            return Document(ContentSource(url=_url(source)), "application/pdf", name, cache_mark(block))
        case "file":
            file_id = source.needed_text("file_id", max_chars=MAX_NAME_CHARS)
            return Document(ContentSource(file_id=file_id), None, name, cache_mark(block))
    raise source.wrong("type", "must be base64, text, content, url or file")


def text_document(text: str, name: str | None, cache: CacheLifetime | None) -> Document:
    data = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return Document(ContentSource(data=data), "text/plain", name, cache)


def _search_result(block: Fields) -> Document:
    """Return a search result, which other dialects don't know, as a document named after its title and source."""
    title, source = block.needed_text("title", max_chars=MAX_TITLE_CHARS), block.needed_text("source", max_chars=2_000)
    return text_document(_texts(block), f"{title} ({source})", cache_mark(block))


def _texts(block: Fields) -> str:
    """Return a content of text blocks as one text."""
    found = block.value("content")
    if isinstance(found, str):
        return found
    texts = []
    for each in block.objects("content", maximum=MAX_BLOCKS):
        if each.value("type") != "text":
            raise each.wrong("type", "must be text here: send an image as a block of its own")
        texts.append(each.text("text") or "")
    return "\n".join(texts)


def _url(source: Fields) -> str:
    url = source.needed_text("url")
    if not url.startswith("https://"):
        raise source.wrong("url", "must begin with https://")
    return url
