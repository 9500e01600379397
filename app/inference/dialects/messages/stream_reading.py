"""Read a provider's stream of Messages events into typed events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from app.inference import answers
from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    CitationDelta,
    PartEnded,
    PartKind,
    PartStarted,
    SignatureDelta,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Conversation, Opaque, ToolKind
from app.inference.dialects.messages.answers import call_of, error_object, finish_of, own_of, stop_reason_of
from app.inference.dialects.wrapped_tools import Unwrapper, custom_names
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.usage import parse_usage

KINDS: Mapping[str, PartKind] = {"text": "text", "thinking": "thinking", "redacted_thinking": "thinking", "tool_use": "tool_call"}


@dataclass(slots=True)
class _Block:
    """An open block. `given`: a call's input where it stood in the block's start; `unwrapper`: of a custom tool sent as a function.

    `opaque`: a block of this dialect's own, which begins for others once it is whole; `text`: its input so far.
    """

    part: int
    kind: PartKind
    given: str = ""
    opaque: dict[str, Any] | None = None
    text: str = ""
    argued: bool = False
    unwrapper: Unwrapper | None = None


class MessagesEventReader:
    """Reads one stream. Pings, unknown events and unknown deltas are skipped."""

    def __init__(self, asked: Conversation | None = None) -> None:
        self._custom = custom_names(asked)
        self._open: dict[int, _Block] = {}
        self._parts = 0
        self._called = False
        self._begun = False
        self._usage: dict[str, Any] = {}
        self._finish: tuple[str, str | None, Opaque | None] | None = None
        self._finish_sent = self._ended = False

    def feed(self, event: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the typed events of one event. Raises ProviderError for an error event, or one that doesn't fit what came before."""
        if not isinstance(event, Mapping):
            raise malformed("its stream has an event that is not an object")
        if self._ended:
            return
        match event.get("type"):
            case "error":
                raise of_error_object(error_object(event))
            case "message_start":
                yield from self._start(event.get("message"))
            case "content_block_start":
                yield from self._start_block(_index(event), event.get("content_block"))
            case "content_block_delta":
                yield from self._add(_index(event), event.get("delta"))
            case "content_block_stop":
                yield from self._stop_block(_index(event))
            case "message_delta":
                yield from self._finishing(event)
            case "message_stop":
                yield from self._stop()

    def end(self) -> Iterator[AnswerEvent]:
        """Yield what is due at the stream's end. Raises ProviderError if the answer never finished.

        A stream that tells its stop_reason, but breaks off before message_stop, is whole: all of it was said.
        """
        if not self._ended:
            yield from self._stop()

    def _start(self, message: object) -> Iterator[AnswerEvent]:
        if not isinstance(message, Mapping):
            raise malformed("its stream has a message_start without a message")
        yield from self._report(message.get("usage"))
        if not self._begun:
            self._begun = True
            name = message.get("id")
            yield AnswerStarted(name if isinstance(name, str) and name else None, answers.model(message))

    def _start_block(self, index: int, block: object) -> Iterator[AnswerEvent]:
        if not isinstance(block, Mapping) or not isinstance(kind := block.get("type"), str):
            raise malformed("its stream has a content_block_start without a block")
        if not self._begun:
            self._begun = True
            yield AnswerStarted()
        if index in self._open:
            yield from self._stop_block(index)
        if kind not in KINDS:
            self._open[index] = _Block(-1, "opaque", opaque=dict(block))
            return
        part = self._next_part()
        opened = self._open[index] = _Block(part, KINDS[kind])
        match kind:
            case "tool_use":
                yield self._begun_call(opened, block)
            case "redacted_thinking":
                yield PartStarted(part, "thinking")
                yield SignatureDelta(part, sealed=str(block.get("data") or ""))
            case _:
                yield PartStarted(part, opened.kind)
                if isinstance(text := block.get(kind), str) and text:
                    yield TextDelta(part, text)
                if isinstance(signature := block.get("signature"), str) and signature:
                    yield SignatureDelta(part, signature)

    def _begun_call(self, opened: _Block, block: Mapping[str, Any]) -> PartStarted:
        call = call_of(block, frozenset())
        self._called = True
        opened.given = call.arguments
        tool: ToolKind = "custom" if call.name in self._custom else "function"
        opened.unwrapper = Unwrapper() if tool == "custom" else None
        return PartStarted(opened.part, "tool_call", call_id=call.id, name=call.name, tool=tool)

    def _add(self, index: int, delta: object) -> Iterator[AnswerEvent]:
        opened = self._open.get(index)
        if opened is None:
            raise malformed("its stream has a content_block_delta for a block that is not open")
        if opened.opaque is not None:
            _grow(opened, delta)
            return
        match delta:
            case {"type": "text_delta", "text": str(text)} | {"type": "thinking_delta", "thinking": str(text)}:
                if text:
                    yield TextDelta(opened.part, text)
            case {"type": "input_json_delta", "partial_json": str(text)}:
                opened.argued = opened.argued or bool(text)
                if added := opened.unwrapper.feed(text) if opened.unwrapper is not None else text:
                    yield ArgumentsDelta(opened.part, added)
            case {"type": "signature_delta", "signature": str(signature)}:
                if signature:
                    yield SignatureDelta(opened.part, signature)
            case {"type": "citations_delta", "citation": {"type": str(kind)} as citation}:
                yield CitationDelta(opened.part, Opaque("messages", kind, citation))

    def _stop_block(self, index: int) -> Iterator[AnswerEvent]:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.opaque is not None:
            part = self._next_part()
            yield PartStarted(part, "opaque", opaque=Opaque("messages", str(opened.opaque["type"]), opened.opaque))
            yield PartEnded(part)
            return
        if opened.kind == "tool_call":
            rest = "" if opened.argued else opened.given  # the input stood in the start of the block, or is empty
            if opened.unwrapper is not None:
                rest = opened.unwrapper.feed(rest) + opened.unwrapper.end()
            if rest:
                yield ArgumentsDelta(opened.part, rest)
        yield PartEnded(opened.part)

    def _finishing(self, event: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        delta = event.get("delta")
        if isinstance(delta, Mapping) and (reason := finish_of(delta)) is not None:
            sequence = delta.get("stop_sequence")
            self._finish = reason, sequence if isinstance(sequence, str) else None, own_of({**event, **delta})
        yield from self._report(event.get("usage"))
        if self._finish is not None and not self._finish_sent:
            yield from self._end_choice(*self._finish)

    def _end_choice(self, word: str, sequence: str | None, own: Opaque | None) -> Iterator[AnswerEvent]:
        for index in list(self._open):
            yield from self._stop_block(index)
        self._finish_sent = True
        yield ChoiceEnded(stop_reason_of(word, calls=self._called), stop_sequence=sequence, own=own)

    def _report(self, usage: object) -> Iterator[AnswerEvent]:
        """Yield the usage so far. Counts are cumulative, and some servers tell a part as 0 later on: the larger one stands."""
        if not isinstance(usage, Mapping):
            return
        for name, value in usage.items():
            known = self._usage.get(name)
            if isinstance(value, int) and isinstance(known, int):
                self._usage[name] = max(value, known) if value >= 0 else value
            elif value is not None:
                self._usage[name] = value
        if (found := parse_usage(self._usage)) is not None:
            yield UsageReported(found)

    def _next_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _stop(self) -> Iterator[AnswerEvent]:
        if self._finish is None:
            raise ProviderError("cut", "its stream ended without a stop_reason", unknown=True)
        yield AnswerEnded()
        self._ended = True


def _grow(opened: _Block, delta: object) -> None:
    """Add a delta to a block of this dialect's own: to its input, or to the field of the delta's name."""
    assert opened.opaque is not None
    match delta:
        case {"type": "input_json_delta", "partial_json": str(text)}:
            opened.text += text
            with suppress(msgspec.DecodeError):
                opened.opaque["input"] = msgspec.json.decode(opened.text)
        case {"type": str(), **fields}:
            for name, value in ((str(name), value) for name, value in fields.items()):
                known = opened.opaque.get(name)
                opened.opaque[name] = known + value if isinstance(known, str) and isinstance(value, str) else value


def _index(event: Mapping[str, Any]) -> int:
    found = event.get("index")
    if isinstance(found, bool) or not isinstance(found, int):
        raise malformed("its stream has a block event without an index")
    return found
