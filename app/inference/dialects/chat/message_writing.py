"""Write turns as the messages of a Chat Completions request. Pure.

Results of tools stand right after the message that called them, as the format demands; what a result can't hold there (pictures) follows
in a user's message of its own. What can't be priced before the call is refused, with the place of the part.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.errors import InvalidInput
from app.inference.conversation import (
    Audio,
    CacheLifetime,
    Conversation,
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
from app.inference.dialects.chat.answers import block_of
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.wrapped_tools import wrapped_text

Json = dict[str, Any]
EPHEMERAL = {"type": "ephemeral"}
PDF = "application/pdf"
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/javascript")
"""Beginnings of the media types whose documents are sent as text."""
FAILED = "Error: "
"""Put before the result of a tool call that failed: the format has no field for it."""


class MessageWriter:
    """Writes one conversation's messages; names in `dropped` what they can't say."""

    def __init__(self, conversation: Conversation, dropped: Dropped) -> None:
        self._turns = conversation.turns
        self._dialect = conversation.dialect
        self._inner = "output" if conversation.dialect == "responses" else "content"
        """The field that holds the parts of a tool's result in the caller's request."""
        self._dropped = dropped
        self._results: dict[int, list[tuple[str, ToolResult]]] = {}
        self._names: dict[str, str] = {}
        self._place_results()

    def messages(self) -> list[Json]:
        """Return the messages. Raises InvalidInput for a part that can't be sent, and if nothing is left to send."""
        found = [message for place, turn in enumerate(self._turns) for message in self._turn(place, turn)]
        if not found:
            raise InvalidInput(
                "The request contains nothing that can be sent to a provider: add a user message with text.", param="messages"
            )
        return found

    def _place_results(self) -> None:
        """Assign each tool result to the latest turn before it that made the call."""
        callers: dict[str, int] = {}
        for place, turn in enumerate(self._turns):
            for index, part in enumerate(turn.parts):
                if isinstance(part, ToolInvocation):
                    callers[part.id] = place
                    self._names[part.id] = part.name
                elif isinstance(part, ToolResult):
                    where = self._where(place, index)
                    if part.call_id not in callers:
                        reason = f"is the result of the tool call {part.call_id!r}, which no earlier assistant message contains"
                        raise invalid_part(where, f"{reason}: send the call too, or leave out its result")
                    self._results.setdefault(callers[part.call_id], []).append((where, part))

    def _turn(self, place: int, turn: Turn) -> Iterator[Json]:
        if turn.role == "assistant":
            yield from self._assistant(place, turn)
            results = self._results.get(place, [])
            for where, result in results:
                yield self._result(where, result)
            if pictures := list(self._pictures(results)):
                yield {"role": "user", "content": pictures}
            return
        content = [
            made
            for index, part in enumerate(turn.parts)
            if not isinstance(part, ToolResult)
            for made in self._content(self._where(place, index), part, turn.role)
        ]
        if content or not turn.parts:
            yield {"role": turn.role, "content": _shortest(content), **_named(turn)}

    def _assistant(self, place: int, turn: Turn) -> Iterator[Json]:
        content: list[Json] = []
        blocks, calls = [], []
        for index, part in enumerate(turn.parts):
            match part:
                case Thinking(id=str()):  # sealed by OpenAI, whose own dialect alone takes it back
                    self._dropped.add("assistant.thinking")
                case Thinking():
                    blocks.append(block_of(part))
                case ToolInvocation():
                    calls.append(self._call(part))
                case RefusalText(text):
                    content.append({"type": "refusal", "refusal": text})
                case _:
                    content += self._content(self._where(place, index), part, "assistant")
        if content or calls or blocks or not turn.parts:
            said = _shortest(content) if content or not calls else None
            more = {"thinking_blocks": blocks} if blocks else {}
            yield {"role": "assistant", "content": said, **_named(turn), **more, **({"tool_calls": calls} if calls else {})}

    def _call(self, call: ToolInvocation) -> Json:
        arguments = wrapped_text(call.arguments) if call.kind == "custom" else call.arguments
        function = {"name": call.name, "arguments": arguments or "{}"}
        return {"id": call.id, "type": "function", "function": function, **cache_control(call.cache)}

    def _result(self, where: str, result: ToolResult) -> Json:
        content: list[Json] = []
        for index, part in enumerate(result.parts):
            if not _is_picture(part):
                content += self._content(f"{where}.{self._inner}[{index}]", part, "tool")
        if not content and result.parts and any(map(_is_picture, result.parts)):
            named = "picture" if all(isinstance(part, Image) for part in result.parts) else "document"
            content = [{"type": "text", "text": f"The result is a {named}: see the user's next message."}]
        if result.failed and not (content and content[0]["text"].lower().startswith("error")):
            content = [{"type": "text", "text": FAILED + (content[0]["text"] if content else "the tool failed.")}, *content[1:]]
        cache = cache_control(result.cache)
        return {"role": "tool", "tool_call_id": result.call_id, "content": _shortest(content), **cache}

    def _pictures(self, results: Sequence[tuple[str, ToolResult]]) -> Iterator[Json]:
        """Yield the pictures of tool results, each result's after a line that names its call."""
        for where, result in results:
            images = [(index, part) for index, part in enumerate(result.parts) if _is_picture(part)]
            if images:
                name = self._names[result.call_id]
                yield {"type": "text", "text": f"From the result of the call {result.call_id} of the tool {name}:"}
            for index, image in images:
                yield from self._content(f"{where}.{self._inner}[{index}]", image, "user")

    def _content(self, where: str, part: Part, role: str) -> Iterator[Json]:
        """Yield what a part becomes within a message's content."""
        match part:
            case Text(text, cache):
                if text:
                    yield {"type": "text", "text": text, **cache_control(cache)}
            case Image() if role in {"user", "tool"}:
                yield self._image(where, part)
            case Document() if _is_text(part) or role in {"user", "tool"}:
                yield self._document(where, part)
            case Audio():
                raise invalid_part(where, "is a recording, whose highest price isn't known before the call: send its transcript as text")
            case Opaque("chat", kind):
                raise invalid_part(
                    where, f"is of type {kind!r}, whose highest price isn't known before the call: leave it out, or send its text"
                )
            case Opaque(_, kind):
                self._dropped.add(f"{role}.{kind}")
            case RefusalText(text):
                yield {"type": "text", "text": text}
            case Image() | Document() | Thinking() | ToolInvocation() | ToolResult():
                self._dropped.add(f"{role}.{_KINDS[type(part)]}")

    def _image(self, where: str, image: Image) -> Json:
        source = image.source
        if source.data is not None and (image.media_type or "").startswith("image/"):
            url = f"data:{image.media_type};base64,{source.data}"
        elif source.url is not None and source.url.startswith("https://"):
            url = source.url
        elif source.data is not None:
            named = (
                "without a media type"
                if image.media_type is None
                else (f"of the media type {image.media_type!r}, which is not an image type")
            )
            raise invalid_part(where, f"is an image {named}: send its exact media type, such as image/png")
        else:
            raise invalid_part(where, "is an image without content: give base64 data or a URL that begins with https://")
        picture = {"url": url} if image.detail is None else {"url": url, "detail": image.detail}
        return {"type": "image_url", "image_url": picture, **cache_control(image.cache)}

    def _document(self, where: str, document: Document) -> Json:
        """Return a text document as text, under its name; a PDF as a file. Others have no known price."""
        called = f" ({document.name})" if document.name else ""
        kind = document.media_type or "unknown type"
        if not _is_text(document):
            return self._file(where, document, called, kind)
        assert document.source.data is not None
        try:
            text = base64.b64decode(document.source.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise invalid_part(where, f"is a document{called} of {kind} that is not base64-encoded UTF-8 text: encode it again") from None
        name = f' name="{document.name}"' if document.name else ""
        return {"type": "text", "text": f"<document{name}>\n{text}\n</document>", **cache_control(document.cache)}

    def _file(self, where: str, document: Document, called: str, kind: str) -> Json:
        """Return a PDF in Chat Completions' format; one that the provider fetches by an address, under a name of our own."""
        source = document.source
        if source.data is not None and kind == PDF:
            file = {"file_data": f"data:{PDF};base64,{source.data}", "filename": document.name or "document.pdf"}
        elif source.url is not None and source.url.startswith("https://") and document.media_type in (None, PDF):
            file = {"file_url": source.url, **({"filename": document.name} if document.name else {})}
        elif source.file_id is not None:
            file = {"file_id": source.file_id}
        else:
            reason = f"is a document{called} of {kind}, whose price can't be bounded before the call"
            raise invalid_part(where, f"{reason}: send it as a PDF, its text, or its pages as images")
        return {"type": "file", "file": file, **cache_control(document.cache)}

    def _where(self, place: int, index: int) -> str:
        """Return a part's path in the caller's request, as far as its dialect counts messages as turns."""
        if index < len(places := self._turns[place].places):
            return places[index]
        if self._dialect == "responses":
            return f"input (counted from 0): turn {place}, part {index}"
        before = sum(turn.role in {"system", "developer"} for turn in self._turns[:place]) if self._dialect == "messages" else 0
        return f"messages[{place - before}].content[{index}]"


_KINDS: Mapping[type, str] = {
    Image: "image",
    Document: "document",
    Thinking: "thinking",
    ToolInvocation: "tool_call",
    ToolResult: "tool_result",
}


def cache_control(lifetime: CacheLifetime | None) -> Json:
    """Return the mark for the provider's prompt cache."""
    if lifetime is None:
        return {}
    return {"cache_control": EPHEMERAL if lifetime == "5m" else {**EPHEMERAL, "ttl": lifetime}}


def _is_text(document: Document) -> bool:
    return document.source.data is not None and (document.media_type or "").startswith(TEXT_TYPES)


def _is_picture(part: Part) -> bool:
    """Tell whether a part is one that a tool's result can't hold in Chat Completions: a picture, or a document with pages."""
    return isinstance(part, Image) or (isinstance(part, Document) and not _is_text(part))


def invalid_part(where: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{where} {reason}.", param=where)


def _shortest(content: list[Json]) -> str | list[Json]:
    """Return a content as a plain string where it is one text without a mark: every server takes that."""
    match content:
        case []:
            return ""
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
    return content


def _named(turn: Turn) -> Json:
    return {} if turn.name is None else {"name": turn.name}
