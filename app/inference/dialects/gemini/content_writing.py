"""Write turns as the `contents` and the `systemInstruction` of a Gemini request. Pure.

Turns of one speaker that follow each other become one content; results of tools stand right after the calls, in their order, as the
format demands.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from app.errors import InvalidInput
from app.inference.conversation import (
    Audio,
    ContentSource,
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
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.gemini.thinking import DUMMY_SIGNATURE, is_newer
from app.inference.dialects.makers import gemini_signature
from app.inference.dialects.wrapped_tools import wrapped_text

Json = dict[str, Any]
TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/javascript")
"""Beginnings of the media types whose documents are sent as text."""
PDF: Final = "application/pdf"
RAW: Final = "_raw"
"""The property that holds a call's arguments where they are no JSON object, which `args` must be."""


class ContentWriter:
    """Writes one conversation's contents; names in `dropped` what they can't say. `system`: the parts of the system's turns."""

    def __init__(self, conversation: Conversation, dropped: Dropped) -> None:
        self._turns = conversation.turns
        self._newer = is_newer(conversation.model)
        self._dropped = dropped
        self._inner = "output" if conversation.dialect == "responses" else "content"
        """The field that holds the parts of a tool's result in the caller's request."""
        self._results: dict[int, list[tuple[str, ToolResult]]] = {}
        self._calls: dict[str, ToolInvocation] = {}
        self.system: list[Json] = []
        self._place_results()

    def contents(self) -> list[Json]:
        """Return the contents. Raises InvalidInput for a part that can't be sent, and if nothing is left to send."""
        found: list[Json] = []
        for place, turn in enumerate(self._turns):
            if turn.name is not None:
                self._dropped.add(f"{turn.role}.name")
            match turn.role:
                case "system" | "developer":
                    self.system += self._said(place, turn)
                case "user":
                    _add(found, "user", list(self._said(place, turn)))
                case "assistant":
                    _add(found, "model", list(self._model(place, turn)))
                    _add(found, "user", self._responses(self._results.get(place, [])))
        if not found:  # a system prompt alone is asked as the user's: Gemini answers nothing else
            found, self.system = ([{"role": "user", "parts": self.system}] if self.system else []), []
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
                    self._calls[part.id] = part
                elif isinstance(part, ToolResult):
                    where = self._where(place, index)
                    if part.call_id not in callers:
                        reason = f"is the result of the tool call {part.call_id!r}, which no earlier assistant message contains"
                        raise _refused(where, f"{reason}: send the call too, or leave out its result")
                    self._results.setdefault(callers[part.call_id], []).append((where, part))
        for place, results in self._results.items():
            order = [part.id for part in self._turns[place].parts if isinstance(part, ToolInvocation)]
            results.sort(key=lambda each: order.index(each[1].call_id))

    def _said(self, place: int, turn: Turn) -> Iterator[Json]:
        for index, part in enumerate(turn.parts):
            if not isinstance(part, ToolResult):
                yield from self._content(self._where(place, index), turn.role, part)

    def _model(self, place: int, turn: Turn) -> Iterator[Json]:
        """Yield what the model said and called. A thought's signature goes to the next call; of its thoughts Gemini needs no more."""
        signature: str | None = None
        signed = False
        for index, part in enumerate(turn.parts):
            match part:
                case Thinking():
                    signature = gemini_signature(part) or signature
                    if signature is None:
                        self._dropped.add("assistant.thinking")
                case ToolInvocation():
                    if signature is None and self._newer and not signed:
                        signature = DUMMY_SIGNATURE
                    yield self._call(part) | ({} if signature is None else {"thoughtSignature": signature})
                    signature, signed = None, True
                case _:
                    yield from self._content(self._where(place, index), turn.role, part)

    def _call(self, call: ToolInvocation) -> Json:
        return {"functionCall": {"id": call.id, "name": call.name, "args": _args(call)}}

    def _responses(self, results: list[tuple[str, ToolResult]]) -> list[Json]:
        """Return the results of a turn's calls. Files in them stand within; after all results for models before Gemini 3."""
        responses, files = [], []
        for where, result in results:
            written = [
                made
                for index, part in enumerate(result.parts)
                for made in self._content(f"{where}.{self._inner}[{index}]", "user", part, inner=True)
            ]
            texts, media = [part["text"] for part in written if "text" in part], [part for part in written if "text" not in part]
            name = self._calls[result.call_id].name
            said = "\n".join(texts)
            response = {"error": said or "the tool failed"} if result.failed else {"output": said}
            made: Json = {"id": result.call_id, "name": name, "response": response}
            if media and self._newer:
                made["parts"] = media
            elif media:
                files += [{"text": f"From the result of the call {result.call_id} of the tool {name}:"}, *media]
            responses.append({"functionResponse": made})
        return [*responses, *files]

    def _content(self, where: str, role: str, part: Part, *, inner: bool = False) -> Iterator[Json]:
        """Yield what a part becomes. `inner`: it is a part of a tool's result."""
        match part:
            case Text(text) | RefusalText(text):
                if text:
                    yield {"text": text}
            case Image() if role == "user":
                yield _image(where, part)
            case Document() if role == "user":
                yield _document(where, part)
            case Audio(data, form) if role == "user":
                yield {"inlineData": {"mimeType": f"audio/{form}", "data": data}}
            case Opaque("gemini", _, data) if not inner:
                yield dict(data)
            case Opaque(_, kind):
                self._dropped.add(f"{role}.{kind}")
            case Image() | Document() | Audio() | Thinking() | ToolInvocation() | ToolResult():
                self._dropped.add(f"{role}.{_KINDS[type(part)]}")

    def _where(self, place: int, index: int) -> str:
        places = self._turns[place].places
        return places[index] if index < len(places) else f"turns[{place}].parts[{index}]"


_KINDS: Final[Mapping[type, str]] = {
    Image: "image",
    Document: "document",
    Audio: "audio",
    Thinking: "thinking",
    ToolInvocation: "tool_call",
    ToolResult: "tool_result",
}


def _add(contents: list[Json], role: str, parts: list[Json]) -> None:
    if parts and contents and contents[-1]["role"] == role:
        contents[-1]["parts"] += parts
    elif parts:
        contents.append({"role": role, "parts": parts})


def _args(call: ToolInvocation) -> Json:
    """Return a call's arguments as the object that this format demands; under `_raw` if the model wrote something else."""
    text = wrapped_text(call.arguments) if call.kind == "custom" else call.arguments
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {RAW: text}
    return found if isinstance(found, dict) else {RAW: text}


def _image(where: str, image: Image) -> Json:
    written = _inline(where, image.source, image.media_type or "")
    if image.media_type is None or not image.media_type.startswith("image/"):
        named = (
            "without a media type" if image.media_type is None else (f"of the media type {image.media_type!r}, which is not an image type")
        )
        raise _refused(where, f"is an image {named}: send its exact media type, such as image/png")
    return written


def _inline(where: str, source: ContentSource, media_type: str) -> Json:
    """Return a file inline. What the provider would have to fetch has no price that could be bounded before the call."""
    if source.data is None:
        raise _refused(where, "is a file that this provider would have to fetch, at an unknown price: send its content inline")
    return {"inlineData": {"mimeType": media_type, "data": source.data}}


def _document(where: str, document: Document) -> Json:
    """Return a PDF as it is, and a text document as text, under its name. Gemini reads no others."""
    kind = document.media_type or PDF
    if document.source.data is None or kind == PDF:
        return _inline(where, document.source, kind)
    if not kind.startswith(TEXT_TYPES):
        raise _refused(where, f"is a document of {kind}, which this provider can't read: send it as a PDF, or send its text")
    try:
        text = base64.b64decode(document.source.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _refused(where, f"is a document of {kind} that is not base64-encoded UTF-8 text: encode it again") from None
    name = f' name="{document.name}"' if document.name else ""
    return {"text": f"<document{name}>\n{text}\n</document>"}


def _refused(where: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{where} {reason}.", param=where)
