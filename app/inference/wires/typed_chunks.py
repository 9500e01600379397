"""Write a provider's typed events as the chunks that the engine reads: Chat Completions, with the events beside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from app import clock
from app.budget.prices import TokenUsage
from app.inference import answers
from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    PartEnded,
    PartStarted,
    UsageReported,
)
from app.inference.answers import Chunk
from app.inference.dialects.chat import CHAT
from app.inference.wires.split_characters import SplitTexts


class TypedChunks:
    """Makes one stream's chunks. `asked_model`: the model's name where the provider tells none.

    Chunks that say something in Chat Completions carry the events before them too. A part that it doesn't know, and the end of a tool
    call, which a caller may run at once, have a chunk without JSON. The usage comes last, once.
    """

    def __init__(self, asked_model: str) -> None:
        self.finished = self.ended = False
        self._asked_model = asked_model
        self._writer = CHAT.event_writer(input_tokens=0)
        self._split = SplitTexts()
        self._waiting: list[AnswerEvent] = []
        self._calls: set[tuple[int, int]] = set()
        self._usage: TokenUsage | None = None

    def feed(self, events: Iterable[AnswerEvent], size: int) -> Iterator[Chunk]:
        """Yield the chunks of one event of the provider's, of `size` bytes."""
        for event in (joined for each in events for joined in self._split.join(each)):
            yield from self._add(event, size)
        if any(isinstance(each, PartEnded) and (each.choice, each.part) in self._calls for each in self._waiting):
            yield self._without_json(size)

    def end(self) -> Iterator[Chunk]:
        """Yield the last chunk: the usage, if there was one."""
        if self._usage is not None:
            chunk = _chunk(self._writer.last(answers.usage_object(self._usage)), self._taken())
            chunk.usage = self._usage  # as it is: Chat Completions may say less
            yield chunk

    def _add(self, event: AnswerEvent, size: int) -> Iterator[Chunk]:
        match event:
            case AnswerStarted():
                created = event.created or int(clock.now().timestamp())
                event = replace(event, model=event.model or self._asked_model, created=created)
            case PartStarted(part, "tool_call", choice):
                self._calls.add((choice, part))
            case ChoiceEnded():
                self.finished = True
            case UsageReported(usage):
                self._usage = usage
            case AnswerEnded():
                self.ended = True
        self._waiting.append(event)
        for data in self._writer.chunks(event):
            yield _chunk(data, self._taken())
        if isinstance(event, PartStarted) and event.opaque is not None:
            yield self._without_json(size)

    def _taken(self) -> tuple[AnswerEvent, ...]:
        events, self._waiting = tuple(self._waiting), []
        return events

    def _without_json(self, size: int) -> Chunk:
        """Return a chunk of the waiting events. A part that Chat Completions doesn't know was said all the same."""
        events = self._taken()
        opaque = [each.opaque for each in events if isinstance(each, PartStarted) and each.opaque is not None]
        text = "".join(msgspec.json.encode(given).decode() for each in opaque if (given := each.data.get("input")))
        return Chunk(b"", {"choices": []}, text=text, has_output=bool(opaque), plain=not opaque, events=events, more_bytes=size)


def _chunk(data: Mapping[str, Any], events: tuple[AnswerEvent, ...]) -> Chunk:
    made = answers.chunk(data, msgspec.json.encode(data))
    made.events = events
    return made
