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
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/javascript")
"""Beginnings of the media types whose documents are sent as text."""
FAILED = "Error: "
"""Put before the result of a tool call that failed: the format has no field for it."""


class MessageWriter:
    """Writes one conversation's messages; names in `dropped` what they can't say."""

    def __init__(self, conversation: Conversation, dropped: Dropped) -> None:
        self._turns = conversation.turns
        self._dialect = conversation.dialect
        self._dropped = dropped
        self._results: dict[int, list[tuple[str, ToolResult]]] = {}
        self._names: dict[str, str] = {}
        self._place_results()

    def messages(self) -> list[Json]:
        """Return the messages. Raises InvalidInput for a part that can't be sent, and if nothing is left to send."""
        found = [message for place, turn in enumerate(self._turns) for message in self._turn(place, turn)]
        if not found:
            raise InvalidInput("The request holds nothing that can be sent: add a message of the user's.", param="messages")
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
                        reason = f"is the result of the tool call {part.call_id!r}, which no earlier turn of the assistant's makes"
                        raise refused(where, f"{reason}: send the call too, or leave out its result")
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
        return {"id": call.id, "type": "function", "function": function, **cache_control(call.cache, self._dropped)}

    def _result(self, where: str, result: ToolResult) -> Json:
        content: list[Json] = []
        for index, part in enumerate(result.parts):
            if not isinstance(part, Image):
                content += self._content(f"{where}.content[{index}]", part, "tool")
        if not content and result.parts and any(isinstance(part, Image) for part in result.parts):
            content = [{"type": "text", "text": "The result is a picture: see the user's next message."}]
        if result.failed and not (content and content[0]["text"].lower().startswith("error")):
            content = [{"type": "text", "text": FAILED + (content[0]["text"] if content else "the tool failed.")}, *content[1:]]
        cache = cache_control(result.cache, self._dropped)
        return {"role": "tool", "tool_call_id": result.call_id, "content": _shortest(content), **cache}

    def _pictures(self, results: Sequence[tuple[str, ToolResult]]) -> Iterator[Json]:
        """Yield the pictures of tool results, each result's after a line that names its call."""
        for where, result in results:
            images = [(index, part) for index, part in enumerate(result.parts) if isinstance(part, Image)]
            if images:
                name = self._names[result.call_id]
                yield {"type": "text", "text": f"From the result of the call {result.call_id} of the tool {name}:"}
            for index, image in images:
                yield self._image(f"{where}.content[{index}]", image)

    def _content(self, where: str, part: Part, role: str) -> Iterator[Json]:
        """Yield what a part becomes within a message's content."""
        match part:
            case Text(text, cache):
                if text:
                    yield {"type": "text", "text": text, **cache_control(cache, self._dropped)}
            case Image() if role in {"user", "tool"}:
                yield self._image(where, part)
            case Document():
                yield self._document(where, part)
            case Audio():
                raise refused(where, "is a recording, whose price can't be bounded before the call: send its transcript as text")
            case Opaque("chat", kind):
                raise refused(where, f"is of type {kind!r}, whose price can't be bounded before the call: leave it out, or send its text")
            case Opaque(_, kind):
                self._dropped.add(f"{role}.{kind}")
            case RefusalText(text):
                yield {"type": "text", "text": text}
            case Image() | Thinking() | ToolInvocation() | ToolResult():
                self._dropped.add(f"{role}.{_KINDS[type(part)]}")

    def _image(self, where: str, image: Image) -> Json:
        source = image.source
        if source.data is not None and (image.media_type or "").startswith("image/"):
            url = f"data:{image.media_type};base64,{source.data}"
        elif source.url is not None and source.url.startswith("https://"):
            url = source.url
        elif source.data is not None:
            raise refused(where, f"is an image of the media type {image.media_type!r}: name its own, such as image/png")
        else:
            raise refused(where, "is an image that isn't sent: give its data as base64, or a URL that begins with https://")
        picture = {"url": url} if image.detail is None else {"url": url, "detail": image.detail}
        return {"type": "image_url", "image_url": picture, **cache_control(image.cache, self._dropped)}

    def _document(self, where: str, document: Document) -> Json:
        """Return a text document as text, under its name; others would be billed by the page."""
        called = f" ({document.name})" if document.name else ""
        kind = document.media_type or "unknown type"
        if document.source.data is None or not kind.startswith(TEXT_TYPES):
            reason = f"is a document{called} of {kind}, whose price can't be bounded before the call"
            raise refused(where, f"{reason}: send its text, or its pages as images")
        try:
            text = base64.b64decode(document.source.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise refused(where, f"is a document{called} of {kind} that is no UTF-8 text in base64: encode it again") from None
        name = f' name="{document.name}"' if document.name else ""
        return {"type": "text", "text": f"<document{name}>\n{text}\n</document>", **cache_control(document.cache, self._dropped)}

    def _where(self, place: int, index: int) -> str:
        """Return a part's path in the caller's request, as far as its dialect counts messages as turns."""
        if self._dialect == "responses":
            return f"input: part {index} of turn {place}"
        before = sum(turn.role in {"system", "developer"} for turn in self._turns[:place]) if self._dialect == "messages" else 0
        return f"messages[{place - before}].content[{index}]"


_KINDS: Mapping[type, str] = {Image: "image", Thinking: "thinking", ToolInvocation: "tool_call", ToolResult: "tool_result"}


def cache_control(lifetime: CacheLifetime | None, dropped: Dropped) -> Json:
    """Return the mark for the provider's prompt cache. Always of the short lifetime: the long one costs more than a hold covers."""
    if lifetime is None:
        return {}
    if lifetime != "5m":
        dropped.add("cache_control.ttl")
    return {"cache_control": EPHEMERAL}


def refused(where: str, reason: str) -> InvalidInput:
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
