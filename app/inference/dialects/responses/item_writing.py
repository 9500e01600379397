"""Write turns as the input items of a Responses request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app.errors import InvalidInput
from app.inference.conversation import (
    Audio,
    Conversation,
    Document,
    Image,
    Opaque,
    Part,
    RefusalText,
    Role,
    Text,
    Thinking,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.responses.items import Json, named, namespaces

FAILED = "Error: "
"""Put before the output of a call that failed: the format has no field for it."""


class ItemWriter:
    """Writes one conversation's input; names in `dropped` what it can't say. `instructions`: the system prompt, where it is one text."""

    def __init__(self, conversation: Conversation, dropped: Dropped) -> None:
        self._turns = conversation.turns
        self._groups = namespaces(conversation.tools)
        self._dropped = dropped
        self.instructions: str | None = None

    def items(self) -> list[Json]:
        """Return the items. Raises InvalidInput for a part that no field can hold, and if nothing is left to send."""
        turns = self._turns
        match turns:
            case [Turn("system", (Text(text),)), *more] if more:
                self.instructions = text
                turns = tuple(more)
        skipped = len(self._turns) - len(turns)
        found = [item for place, turn in enumerate(turns, skipped) for item in self._turn(place, turn)]
        if not found:
            raise InvalidInput("The request contains nothing that can be sent to a provider: add a user message.", param="input")
        return found

    def _turn(self, place: int, turn: Turn) -> Iterator[Json]:
        """Yield a turn's items. What was said between two calls or results is a message of its own."""
        if turn.name is not None:
            self._dropped.add(f"{turn.role}.name")
        content: list[Json] = []
        for index, part in enumerate(turn.parts):
            where = f"turns[{place}].parts[{index}]"
            if isinstance(part, Thinking | ToolInvocation | ToolResult) or (isinstance(part, Opaque) and _is_item(part)):
                yield from _message(turn.role, content)
                content = []
                yield from self._item(where, turn, part)
            else:
                content += self._content(where, turn.role, part)
        yield from _message(turn.role, content)

    def _item(self, where: str, turn: Turn, part: Part) -> Iterator[Json]:
        match part:
            case ToolInvocation(call_id, name, arguments, "custom"):
                yield {"type": "custom_tool_call", "call_id": call_id, **named(name, self._groups), "input": arguments}
            case ToolInvocation(call_id, name, arguments):
                yield {"type": "function_call", "call_id": call_id, **named(name, self._groups), "arguments": arguments or "{}"}
            case ToolResult():
                kind = "custom_tool_call_output" if part.kind == "custom" else "function_call_output"
                yield {"type": kind, "call_id": part.call_id, "output": self._output(where, part)}
            case Thinking(text, _, str(sealed), str(item_id)):
                summary = [{"type": "summary_text", "text": text}] if text else []
                yield {"type": "reasoning", **({"id": item_id} if item_id else {}), "summary": summary, "encrypted_content": sealed}
            case Thinking():  # not sealed by this vendor, who takes back only its own
                self._dropped.add(f"{turn.role}.thinking")
            case Opaque("responses", _, data):
                yield dict(data)

    def _output(self, where: str, result: ToolResult) -> str | list[Json]:
        parts: tuple[Part, ...] = result.parts
        if result.failed:
            said = isinstance(parts[0], Text) if parts else False
            parts = (Text(FAILED), *parts) if not said else (Text(FAILED + parts[0].text), *parts[1:])  # type: ignore[union-attr]
        content = [made for part in parts for made in self._content(where, "user", part)]
        match content:
            case []:
                return ""
            case [{"type": "input_text", "text": str(text)}]:
                return text
        return content

    def _content(self, where: str, role: Role, part: Part) -> Iterator[Json]:
        """Yield what a part becomes within a message or an output."""
        match part:
            case Text(text):
                if text:
                    yield _text(role, text)
            case RefusalText(text):
                yield {"type": "refusal", "refusal": text} if role == "assistant" else _text(role, text)
            case Image() if role != "assistant":
                yield _image(where, part)
            case Document() if role != "assistant":
                yield _document(where, part)
            case Audio(data, form) if role != "assistant":
                yield {"type": "input_audio", "input_audio": {"data": data, "format": form}}
            case Opaque("responses", _, data):
                yield dict(data)
            case Opaque(_, kind):
                self._dropped.add(f"{role}.{kind}")
            case Image() | Document() | Audio() | Thinking() | ToolInvocation() | ToolResult():
                self._dropped.add(f"{role}.{_KINDS[type(part)]}")


def _is_item(part: Opaque) -> bool:
    """Return whether an opaque part of this dialect was an item of its own, not a part of a message's content."""
    return part.dialect == "responses" and not part.type.startswith(_CONTENT)


_CONTENT: Final = ("input_", "output_", "computer_screenshot", "summary_text", "reasoning_text")
_KINDS: Final[Mapping[type, str]] = {
    Image: "image",
    Document: "document",
    Audio: "audio",
    Thinking: "thinking",
    ToolInvocation: "tool_call",
    ToolResult: "tool_result",
}


def _message(role: Role, content: list[Json]) -> Iterator[Json]:
    if content:
        yield {"type": "message", "role": role, "content": content}


def _text(role: Role, text: str) -> Json:
    return {"type": "output_text" if role == "assistant" else "input_text", "text": text}


def _image(where: str, image: Image) -> Json:
    source, detail = image.source, {} if image.detail is None else {"detail": image.detail}
    if source.data is not None:
        return {"type": "input_image", "image_url": f"data:{image.media_type or 'image/png'};base64,{source.data}", **detail}
    if source.url is not None:
        return {"type": "input_image", "image_url": source.url, **detail}
    if source.file_id is not None:
        return {"type": "input_image", "file_id": source.file_id, **detail}
    raise _refused(where, "is an image without content: give its data or its URL")


def _document(where: str, document: Document) -> Json:
    source, name = document.source, {} if document.name is None else {"filename": document.name}
    if source.data is not None:
        inline = f"data:{document.media_type or 'application/pdf'};base64,{source.data}"
        return {"type": "input_file", "filename": document.name or "document", "file_data": inline}
    if source.url is not None:
        return {"type": "input_file", "file_url": source.url, **name}
    if source.file_id is not None:
        return {"type": "input_file", "file_id": source.file_id, **name}
    raise _refused(where, "is a document without content: give its data or its URL")


def _refused(where: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{where} {reason}.", param=where)
