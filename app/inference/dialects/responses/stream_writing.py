"""Write typed events to a caller as Responses events: the whole life of each item, in order, numbered without gaps. Pure.

Items never interleave: a part that begins while another is open waits, and so do its deltas. An item of text or thinking begins with its
first words, so that none is empty. No [DONE] follows the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerStarted, ArgumentsDelta, CitationDelta, Delta, PartStarted, SignatureDelta
from app.inference.conversation import Conversation, Opaque, Part, RefusalText, Text, Thinking, ToolInvocation
from app.inference.dialects.ordered_writing import OrderedEventWriter, OrderedPart
from app.inference.dialects.responses.answers import finished, head_of, item_of, last_item
from app.inference.dialects.responses.items import Json, item_id, namespaces_of, usage_object

PING = b": ping\n\n"
"""A comment: this dialect has no event for it."""


@dataclass(slots=True)
class _Part(OrderedPart):
    """A part that has begun. `id`: of its item, once that is open."""

    id: str | None = None
    texts: list[str] = field(default_factory=list)
    signature: str | None = None
    sealed: str | None = None
    sealed_id: str | None = None

    @property
    def whole(self) -> Part | None:
        """Return what was told so far; None for a part that this dialect doesn't know."""
        text = "".join(self.texts)
        match self.started.kind:
            case "text":
                return Text(text)
            case "refusal":
                return RefusalText(text)
            case "thinking":
                return Thinking(text, self.signature, self.sealed, self.sealed_id)
            case "tool_call":
                return ToolInvocation(self.started.call_id or "", self.started.name or "", text, self.started.tool)
            case "opaque":
                return self.started.opaque


class ResponsesEventWriter(OrderedEventWriter[_Part]):
    """Writes one stream: the first choice, since this dialect knows no other. `asked`: the request, whose options a response repeats."""

    def __init__(self, asked: Conversation | None = None) -> None:
        super().__init__()
        self._asked = asked
        self._groups = namespaces_of(asked)
        self._head: Json = head_of(None, None, None, asked)
        self._output: list[Json] = []
        self._sequence = 0

    def end(self, usage: TokenUsage, *, extra: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the end, with the usage that was charged. Raises ProviderError if the choice never ended: no end is made up."""
        whole = finished(self._head, self._output, self._ended().reason, {**usage_object(usage), **extra}, self._asked)
        yield self._event(f"response.{whole['status']}", response=whole)

    def failed(self, code: str, message: str) -> Iterator[bytes]:
        """Yield the end of a stream that can't be completed."""
        yield from self._start_once(AnswerStarted())
        for part in self._parts:
            if part.ended:
                yield from self._close(part)
        error = {"code": code, "message": message}
        yield self._event("response.failed", response={**self._head, "status": "failed", "error": error, "output": self._output})

    def _make_part(self, started: PartStarted) -> _Part:
        return _Part(started)

    def _start(self, started: AnswerStarted) -> Iterator[bytes]:
        self._head = head_of(started.id, started.model, started.created, self._asked)
        yield self._event("response.created", response=self._head)
        yield self._event("response.in_progress", response=self._head)

    def _take_turn(self, part: _Part) -> Iterator[bytes]:
        if part.started.kind == "tool_call" and part.id is None:
            yield from self._open(part)

    def _may_close(self) -> bool:
        """Keep the last item open until the reason of the end is known, which says whether it is complete."""
        return len(self._parts) > 1 or self._choice_end is not None

    def _write(self, part: _Part, delta: Delta) -> Iterator[bytes]:
        """Write one delta of the part whose turn it is. A thought's proof is told with its finished item."""
        if isinstance(delta, SignatureDelta):
            part.signature, part.sealed = delta.signature or part.signature, delta.sealed or part.sealed
            part.sealed_id = delta.id
            return
        if isinstance(delta, CitationDelta) or not delta.text or isinstance(delta, ArgumentsDelta) != (part.started.kind == "tool_call"):
            return
        if part.id is None:
            yield from self._open(part)
        if not part.texts:
            yield from self._open_content(part)
        part.texts.append(delta.text)
        yield self._of(part, f"{_EVENTS[_kind(part)]}.delta", delta=delta.text, **_extra(part))

    def _open(self, part: _Part) -> Iterator[bytes]:
        kind, place = _kind(part), len(self._output)
        part.id = item_id(_ITEMS[kind], self._head["id"], place)
        item: Json = {"id": part.id, "type": _ITEMS[kind]}
        match kind:
            case "text" | "refusal":
                item |= {"status": "in_progress", "role": "assistant", "content": []}
            case "thinking":
                item |= {"summary": []}
            case _:
                assert part.whole is not None
                item = {**(item_of(part.whole, self._head["id"], place, self._groups) or item), "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=place, item=item)

    def _open_content(self, part: _Part) -> Iterator[bytes]:
        match part.started.kind:
            case "text" | "refusal":
                yield self._of(part, "response.content_part.added", content_index=0, part=_content(part, ""))
            case "thinking":
                yield self._of(part, "response.reasoning_summary_part.added", summary_index=0, part=_content(part, ""))

    def _close(self, part: _Part) -> Iterator[bytes]:
        place, whole = len(self._output), part.whole
        item = None if whole is None else item_of(whole, self._head["id"], place, self._groups)
        if item is None:
            return
        if self._choice_end is not None and part is self._parts[-1]:
            item = last_item(item, self._choice_end.reason)
        if part.id is None and isinstance(whole, Opaque):
            yield self._event("response.output_item.added", output_index=place, item=item)
        elif part.id is None:
            yield from self._open(part)
        text, name = "".join(part.texts), str(item.get("name"))
        match part.started.kind:
            case "text" | "refusal":
                yield self._of(part, f"{_EVENTS[_kind(part)]}.done", **_said(part, text, name), **_extra(part))
                yield self._of(part, "response.content_part.done", content_index=0, part=_content(part, text))
            case "thinking" if text:
                yield self._of(part, "response.reasoning_summary_text.done", text=text, **_extra(part))
                yield self._of(part, "response.reasoning_summary_part.done", summary_index=0, part=_content(part, text))
            case "tool_call":
                yield self._of(part, f"{_EVENTS[_kind(part)]}.done", **_said(part, text, name))
        yield self._event("response.output_item.done", output_index=place, item=item)
        self._output.append(item)

    def _of(self, part: _Part, name: str, /, **data: Any) -> bytes:
        """Return an event of the open item."""
        return self._event(name, item_id=part.id, output_index=len(self._output), **data)

    def _event(self, name: str, /, **data: Any) -> bytes:
        """Return one server-sent event, named by its type."""
        made = msgspec.json.encode({"type": name, "sequence_number": self._sequence, **data})
        self._sequence += 1
        return b"event: " + name.encode() + b"\ndata: " + made + b"\n\n"


_ITEMS: Mapping[str, str] = {
    "text": "message",
    "refusal": "message",
    "thinking": "reasoning",
    "function": "function_call",
    "custom": "custom_tool_call",
}
_EVENTS: Mapping[str, str] = {
    "text": "response.output_text",
    "refusal": "response.refusal",
    "thinking": "response.reasoning_summary_text",
    "function": "response.function_call_arguments",
    "custom": "response.custom_tool_call_input",
}


def _kind(part: _Part) -> str:
    return part.started.tool if part.started.kind == "tool_call" else part.started.kind


def _extra(part: _Part) -> Json:
    """Return the fields that the deltas of a part have beside its words."""
    match part.started.kind:
        case "text":
            return {"content_index": 0, "logprobs": []}
        case "refusal":
            return {"content_index": 0}
        case "thinking":
            return {"summary_index": 0}
    return {}


def _said(part: _Part, text: str, name: str) -> Json:
    """Return the whole words of a part, under the field that its last event has for them. `name`: of the tool."""
    match _kind(part):
        case "function":
            return {"name": name, "arguments": text}
        case "custom":
            return {"input": text}
        case "refusal":
            return {"refusal": text}
    return {"text": text}


def _content(part: _Part, text: str) -> Json:
    match part.started.kind:
        case "refusal":
            return {"type": "refusal", "refusal": text}
        case "thinking":
            return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
