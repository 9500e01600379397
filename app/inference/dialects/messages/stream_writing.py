"""Write typed events to a caller as Messages events, in that dialect's exact order. Pure.

Blocks never interleave there: a part that begins while another is open waits, and so do its deltas. A part of text or thinking begins with
its first words, so that none is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerStarted, ArgumentsDelta, CitationDelta, Delta, PartStarted, SignatureDelta, TextDelta
from app.inference.conversation import Opaque
from app.inference.dialects.messages.answers import answer_id, own_fields
from app.inference.dialects.messages.blocks import Json, id_of, stop_reason, usage_object
from app.inference.dialects.ordered_writing import OrderedEventWriter, OrderedPart
from app.inference.dialects.wrapped_tools import wrapped_text

OF_DELTA = ("container", "stop_details")
"""The fields of an answer's end that stand in its `delta`, not beside it."""
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


@dataclass(slots=True)
class _Part(OrderedPart):
    """A part that has begun. `block`: its block is open."""

    block: bool = False


class MessagesEventWriter(OrderedEventWriter[_Part]):
    """Writes one stream: the first choice, since this dialect knows no other."""

    def __init__(self, *, input_tokens: int) -> None:
        super().__init__()
        self._input_tokens = input_tokens
        self._index = 0
        self._calls = self._refused = False

    def end(self, usage: TokenUsage, *, extra: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the end, with the usage that was charged. Raises ProviderError if the choice never ended: no end is made up."""
        ended = self._ended()
        reason = stop_reason(ended.reason, calls=self._calls, refused=self._refused)
        own = own_fields(ended.own)
        delta = {name: own[name] for name in OF_DELTA if name in own} | {"stop_reason": reason, "stop_sequence": ended.stop_sequence}
        yield sse(
            "message_delta",
            **{name: value for name, value in own.items() if name not in OF_DELTA},
            delta=delta,
            usage={**usage_object(usage), **extra},
        )
        yield sse("message_stop")

    def _make_part(self, started: PartStarted) -> _Part:
        self._calls = self._calls or started.kind == "tool_call"
        self._refused = self._refused or started.kind == "refusal"
        return _Part(started)

    def _start(self, started: AnswerStarted) -> Iterator[bytes]:
        message: Json = {
            "id": answer_id(started.id),
            "type": "message",
            "role": "assistant",
            "model": started.model or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(TokenUsage(input=self._input_tokens)),
        }
        yield sse("message_start", message=message)

    def _take_turn(self, part: _Part) -> Iterator[bytes]:
        if part.started.kind in {"tool_call", "opaque"} and not part.block:
            yield from self._open(part)

    def _open(self, part: _Part, block: Json | None = None) -> Iterator[bytes]:
        if block is None and (block := _first(part.started, self._index)) is None:
            return
        part.block = True
        yield sse("content_block_start", index=self._index, content_block=block)
        if part.started.kind == "tool_call" and part.started.tool == "custom":
            yield self._delta({"type": "input_json_delta", "partial_json": _OPENED})
        if part.started.opaque is not None and (given := part.started.opaque.data.get("input")):
            yield self._delta({"type": "input_json_delta", "partial_json": msgspec.json.encode(given).decode()})

    def _close(self, part: _Part) -> Iterator[bytes]:
        if not part.block:
            return
        if part.started.kind == "tool_call" and part.started.tool == "custom":
            yield self._delta({"type": "input_json_delta", "partial_json": _CLOSED})
        yield sse("content_block_stop", index=self._index)
        part.block = False
        self._index += 1

    def _write(self, part: _Part, delta: Delta) -> Iterator[bytes]:
        """Write one delta of the part whose turn it is."""
        kind = part.started.kind
        match delta:
            case SignatureDelta(sealed=str(sealed)):
                yield from self._close(part)
                yield from self._open(part, {"type": "redacted_thinking", "data": sealed})
                yield from self._close(part)
            case SignatureDelta(signature=str(signature)):
                yield from self._ready(part)
                yield self._delta({"type": "signature_delta", "signature": signature})
            case TextDelta(text=text) if text and kind in {"text", "refusal", "thinking"}:
                yield from self._ready(part)
                name = "thinking" if kind == "thinking" else "text"
                yield self._delta({"type": f"{name}_delta", name: text})
            case CitationDelta(citation=Opaque("messages", _, data)) if kind == "text":
                yield from self._ready(part)
                yield self._delta({"type": "citations_delta", "citation": data})
            case ArgumentsDelta(text=text) if text and part.block:
                piece = wrapped_text(text)[len(_OPENED) : -len(_CLOSED)] if part.started.tool == "custom" else text
                yield self._delta({"type": "input_json_delta", "partial_json": piece})

    def _ready(self, part: _Part) -> Iterator[bytes]:
        if not part.block:
            yield from self._open(part)

    def _delta(self, delta: Json) -> bytes:
        return sse("content_block_delta", index=self._index, delta=delta)


_EMPTY = wrapped_text("")
_OPENED, _CLOSED = _EMPTY[:-2], _EMPTY[-2:]
"""The JSON around a custom tool's text."""


def _first(started: PartStarted, index: int) -> Json | None:
    """Return a block as it begins; None for a part that this dialect doesn't know."""
    match started.kind:
        case "text" | "refusal":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_call":
            call_id = id_of(started.call_id or f"toolu_{index}")
            return {"type": "tool_use", "id": call_id, "name": started.name or "", "input": {}}
        case "opaque":
            if started.opaque is None or started.opaque.dialect != "messages":
                return None
            data = dict(started.opaque.data)
            return {**data, "input": {}} if data.get("input") else data  # as Anthropic does: the input follows, and only there it is read


def sse(name: str, **data: Any) -> bytes:
    """Return one server-sent event, named by its type."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode({"type": name, **data}) + b"\n\n"
