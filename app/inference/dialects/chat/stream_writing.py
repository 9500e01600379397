"""Write typed events to a caller as Chat Completions chunks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.budget.prices import TokenUsage
from app.inference import answers
from app.inference.answer_events import (
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    PartStarted,
    SignatureDelta,
    TextDelta,
)
from app.inference.dialects.chat.answers import FINISHES

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"


class ChatEventWriter:
    """Writes one stream. Tool calls are numbered within their choice, in the order of their beginning."""

    def __init__(self, *, usage_asked: bool = True) -> None:
        self._usage_asked = usage_asked
        self._head: Json = {"id": "chatcmpl", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._parts: dict[tuple[int, int], PartStarted] = {}
        self._calls: dict[tuple[int, int], int] = {}
        self._spoke: set[int] = set()

    def feed(self, event: AnswerEvent) -> Iterator[bytes]:
        """Yield the chunk that an event becomes; some become none."""
        yield from map(_event, self.chunks(event))

    def chunks(self, event: AnswerEvent) -> Iterator[Json]:
        """Yield the same without the server-sent event around it."""
        match event:
            case AnswerStarted():
                self._head |= {"id": event.id or "chatcmpl", "created": event.created or 0, "model": event.model or ""}
            case PartStarted():
                self._parts[event.choice, event.part] = event
                if event.kind == "tool_call":
                    yield self._chunk(event.choice, {"tool_calls": [self._begun(event)]})
            case TextDelta():
                yield self._chunk(event.choice, self._said(event))
            case ArgumentsDelta():
                yield self._chunk(event.choice, {"tool_calls": [self._argued(event)]})
            case SignatureDelta():
                yield self._chunk(event.choice, {"thinking_blocks": [_signed(event)]})
            case ChoiceEnded():
                yield self._chunk(event.choice, {}, FINISHES[event.reason])
            case _:  # a part's end shows by what follows; the usage comes once, at the end
                pass

    def end(self, usage: TokenUsage, *, extra: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the usage if it was asked for, and the end."""
        if self._usage_asked:
            yield _event(self.last({**answers.usage_object(usage), **extra}))
        yield DONE

    def last(self, usage: Mapping[str, Any]) -> Json:
        """Return the chunk of a usage."""
        return {**self._head, "choices": [], "usage": usage}

    def _chunk(self, choice: int, delta: Json, finish: str | None = None) -> Json:
        if choice not in self._spoke:
            self._spoke.add(choice)
            delta = {"role": "assistant", **delta}
        return {**self._head, "choices": [{"index": choice, "delta": delta, "finish_reason": finish}]}

    def _said(self, event: TextDelta) -> Json:
        match self._parts[event.choice, event.part].kind:
            case "thinking":
                return {"reasoning_content": event.text, "thinking_blocks": [{"type": "thinking", "thinking": event.text}]}
            case "refusal":
                return {"refusal": event.text}
        return {"content": event.text}

    def _begun(self, event: PartStarted) -> Json:
        number = sum(choice == event.choice for choice, _ in self._calls)
        self._calls[event.choice, event.part] = number
        if event.tool == "custom":
            return {"index": number, "id": event.call_id, "type": "custom", "custom": {"name": event.name, "input": ""}}
        return {"index": number, "id": event.call_id, "type": "function", "function": {"name": event.name, "arguments": ""}}

    def _argued(self, event: ArgumentsDelta) -> Json:
        key = event.choice, event.part
        if self._parts[key].tool == "custom":
            return {"index": self._calls[key], "custom": {"input": event.text}}
        return {"index": self._calls[key], "function": {"arguments": event.text}}


def _signed(event: SignatureDelta) -> Json:
    """Return a thought's proof; its words were said before."""
    if event.sealed is not None:
        return {"type": "redacted_thinking", "data": event.sealed}
    return {"type": "thinking", "thinking": "", "signature": event.signature}


def _event(data: Json) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
