"""Read a provider's Responses stream into typed events. Pure.

What an item says is told as it comes; where an event was left out, the finished item, or the finished response, has the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.inference import answers
from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    PartEnded,
    PartKind,
    PartStarted,
    SignatureDelta,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Opaque
from app.inference.dialects.responses.answers import CALLS, call_of, created_at, error_object, text_of, thought_of
from app.inference.dialects.responses.items import reason_of
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.usage import parse_usage

Json = Mapping[str, Any]
REASONING = "response.reasoning_"


@dataclass(slots=True)
class _Slot:
    """A part that is being told, or waits for its item's name. `part` None: not yet begun."""

    kind: PartKind
    part: int | None = None
    emitted: str = ""
    heading: int = 0
    """The index of the summary's part that is being read; only for thinking."""
    source: str = ""
    """The kind of thinking that is being read, its summary or its whole text; the other is skipped."""


@dataclass(slots=True)
class _Item:
    """An output item. `slots`: by the index of its content; `done`: it was told as finished."""

    slots: dict[int, _Slot] = field(default_factory=dict)
    done: bool = False


class ResponsesEventReader:
    """Reads one stream. It has one choice."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._parts = 0
        self._begun = self._called = self._finished = False

    def feed(self, event: Json) -> Iterator[AnswerEvent]:
        """Yield the typed events of one event. Raises ProviderError for a failure, or an invalid event; unknown ones are skipped."""
        if not isinstance(event, Mapping):
            raise malformed("its stream has an event that is not an object")
        kind = event.get("type")
        if kind == "error" or (kind is None and event.get("error")):
            raise of_error_object(error_object(event.get("error") or {name: event.get(name) for name in ("code", "message", "param")}))
        if not isinstance(kind, str) or self._finished:
            return
        match kind:
            case "response.created" | "response.in_progress" | "response.queued":
                yield from self._start(event.get("response"))
            case "response.failed" | "response.cancelled":
                raise _failure(event.get("response"))
            case "response.completed" | "response.incomplete":
                yield from self._finish(event.get("response"))
            case "response.output_item.added":
                yield from self._added(_index(event), _object(event, "item"))
            case "response.output_item.done":
                yield from self._start(None)
                yield from self._done(_index(event), _object(event, "item"))
            case _ if kind.endswith(".delta") and isinstance(delta := event.get("delta"), str) and delta:
                yield from self._delta(kind, event, delta)

    def end(self) -> Iterator[AnswerEvent]:
        """Yield the end. Raises ProviderError if the response never finished."""
        if not self._finished:
            raise ProviderError("cut", "its stream ended without response.completed", unknown=True)
        yield AnswerEnded()

    def _start(self, response: object) -> Iterator[AnswerEvent]:
        if self._begun:
            return
        self._begun = True
        known: Json = response if isinstance(response, Mapping) else {}
        yield AnswerStarted(text_of(known.get("id")) or None, answers.model(known), created_at(known))

    def _added(self, index: int, item: Json) -> Iterator[AnswerEvent]:
        yield from self._start(None)
        if text_of(item.get("type")) in CALLS:
            yield from self._begin_call(self._slot(index, 0, "tool_call"), item)

    def _delta(self, kind: str, event: Json, delta: str) -> Iterator[AnswerEvent]:
        yield from self._start(None)
        index = _index(event)
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                text_kind: PartKind = "refusal" if "refusal" in kind else "text"
                place = event.get("content_index")
                yield from self._emit(self._slot(index, place if isinstance(place, int) else 0, text_kind), delta)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                slot = self._slot(index, 0, "tool_call")
                slot.emitted += delta
                if slot.part is not None:
                    yield ArgumentsDelta(slot.part, delta)
            case _ if kind.startswith(REASONING):
                yield from self._think(self._slot(index, 0, "thinking"), kind, event, delta)

    def _think(self, slot: _Slot, kind: str, event: Json, delta: str) -> Iterator[AnswerEvent]:
        """Tell a thought: its summary or its whole text, whichever comes first. Parts of either are paragraphs."""
        source = "summary" if "summary" in kind else "content"
        slot.source = slot.source or source
        place = event.get(f"{source}_index")
        heading = place if isinstance(place, int) else 0
        if slot.source != source:
            return
        if heading != slot.heading and slot.emitted:
            yield from self._emit(slot, "\n\n")
        slot.heading = heading
        yield from self._emit(slot, delta)

    def _done(self, index: int, item: Json) -> Iterator[AnswerEvent]:
        """Tell what is still untold of a finished item, and end its parts."""
        known = self._items.setdefault(index, _Item())
        if known.done:
            return
        known.done = True
        match item.get("type"):
            case "message":
                content = item.get("content")
                for place, part in enumerate(content if isinstance(content, list) else ()):
                    match part:
                        case {"type": "output_text", "text": str(text)}:
                            yield from self._complete(self._slot(index, place, "text"), text)
                        case {"type": "refusal", "refusal": str(text)}:
                            yield from self._complete(self._slot(index, place, "refusal"), text)
            case "reasoning":
                yield from self._end_thought(index, item)
            case "function_call" | "custom_tool_call":
                yield from self._end_call(index, item)
            case str(kind):
                part = self._next_part()
                yield PartStarted(part, "opaque", opaque=Opaque("responses", kind, item))
                yield PartEnded(part)
        yield from self._close(known)

    def _end_thought(self, index: int, item: Json) -> Iterator[AnswerEvent]:
        slot, whole = self._slot(index, 0, "thinking"), thought_of(item)
        yield from self._complete(slot, whole.text)
        if whole.sealed is None and whole.signature is None:
            return
        if slot.part is None:
            slot.part = self._next_part()
            yield PartStarted(slot.part, "thinking")
        yield SignatureDelta(slot.part, whole.signature, whole.sealed, id=whole.id)

    def _end_call(self, index: int, item: Json) -> Iterator[AnswerEvent]:
        slot = self._slot(index, 0, "tool_call")
        yield from self._begin_call(slot, item)
        if slot.part is None:
            return
        whole = call_of(item).arguments
        rest = whole.removeprefix(slot.emitted) if whole.startswith(slot.emitted) else ""
        if rest and not (slot.emitted and whole == "{}"):
            slot.emitted += rest
            yield ArgumentsDelta(slot.part, rest)

    def _begin_call(self, slot: _Slot, item: Json) -> Iterator[AnswerEvent]:
        if slot.part is not None:
            return
        self._called = True
        call = call_of(item)
        slot.part = self._next_part()
        yield PartStarted(slot.part, "tool_call", call_id=call.id, name=call.name, tool=call.kind)
        if slot.emitted:
            yield ArgumentsDelta(slot.part, slot.emitted)

    def _complete(self, slot: _Slot, whole: str) -> Iterator[AnswerEvent]:
        """Tell the rest of a text, where what was told is its beginning."""
        if whole.startswith(slot.emitted):
            yield from self._emit(slot, whole[len(slot.emitted) :])

    def _emit(self, slot: _Slot, text: str) -> Iterator[AnswerEvent]:
        if not text:
            return
        if slot.part is None:
            slot.part = self._next_part()
            yield PartStarted(slot.part, slot.kind)
        slot.emitted += text
        yield TextDelta(slot.part, text)

    def _close(self, item: _Item) -> Iterator[AnswerEvent]:
        for slot in item.slots.values():
            if slot.part is not None:
                yield PartEnded(slot.part)
            elif slot.kind == "tool_call":
                raise malformed("its stream has a tool call without a name")
        item.slots, item.done = {}, True

    def _finish(self, response: object) -> Iterator[AnswerEvent]:
        if not isinstance(response, Mapping):
            raise malformed("its stream ends without its response")
        yield from self._start(response)
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, Mapping):
                yield from self._done(index, item)
        for known in self._items.values():
            if not known.done:
                yield from self._close(known)
        if (usage := parse_usage(response.get("usage"))) is not None:
            yield UsageReported(usage)
        yield ChoiceEnded(reason_of(response, calls=self._called))
        self._finished = True

    def _slot(self, index: int, place: int, kind: PartKind) -> _Slot:
        item = self._items.setdefault(index, _Item())
        return item.slots.setdefault(place, _Slot(kind))

    def _next_part(self) -> int:
        self._parts += 1
        return self._parts - 1


def _failure(response: object) -> ProviderError:
    known: Json = response if isinstance(response, Mapping) else {}
    fault = of_error_object(error_object(known.get("error") or {"message": "its response failed"}))
    fault.usage = parse_usage(known.get("usage"))
    return fault


def _index(event: Json) -> int:
    found = event.get("output_index")
    if isinstance(found, bool) or not isinstance(found, int):
        raise malformed("its stream has an item's event without an output_index")
    return found


def _object(event: Json, name: str) -> Json:
    found = event.get(name)
    if not isinstance(found, Mapping):
        raise malformed(f"its stream has an event without its {name}")
    return found
