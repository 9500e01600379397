"""Read a provider's stream of Gemini events into typed events. Pure.

Each event is an answer of its own, with the parts that are new. Texts and thoughts that follow each other are one part; a call comes whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from app.budget.prices import TokenUsage
from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    PartEnded,
    PartStarted,
    SignatureDelta,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Conversation, Opaque, Part, Text, Thinking, ToolInvocation
from app.inference.dialects.gemini import answers
from app.inference.dialects.wrapped_tools import custom_names
from app.inference.provider_errors import ProviderError


@dataclass(slots=True)
class _Candidate:
    """The state of one choice. `open_part`: the kind of the open part, which is the last one."""

    index: int
    parts: int = 0
    calls: int = 0
    open_part: Literal["text", "thinking"] | None = None
    ended: bool = False

    def add(self, part: Part) -> Iterator[AnswerEvent]:
        match part:
            case Text(text):
                yield from self._open("text")
                yield TextDelta(self.parts - 1, text, self.index)
            case Thinking(text, signature):
                yield from self._open("thinking")
                if text:
                    yield TextDelta(self.parts - 1, text, self.index)
                if signature is not None:
                    yield SignatureDelta(self.parts - 1, signature, choice=self.index)
                    yield from self.close()
            case ToolInvocation():
                yield from self.close()
                self.calls += 1
                yield PartStarted(self.parts, "tool_call", self.index, part.id, part.name, part.kind)
                if part.arguments:
                    yield ArgumentsDelta(self.parts, part.arguments, self.index)
                yield PartEnded(self.parts, self.index)
                self.parts += 1
            case Opaque():
                yield from self.close()
                yield PartStarted(self.parts, "opaque", self.index, opaque=part)
                yield PartEnded(self.parts, self.index)
                self.parts += 1

    def close(self) -> Iterator[AnswerEvent]:
        """End the open part."""
        if self.open_part is not None:
            self.open_part = None
            yield PartEnded(self.parts - 1, self.index)

    def _open(self, kind: Literal["text", "thinking"]) -> Iterator[AnswerEvent]:
        if self.open_part == kind:
            return
        yield from self.close()
        self.open_part = kind
        yield PartStarted(self.parts, kind, self.index)
        self.parts += 1


class GeminiEventReader:
    """Reads one stream. What comes of a choice after its `finishReason` is ignored, but usage."""

    def __init__(self, asked: Conversation | None = None) -> None:
        self._custom = custom_names(asked)
        self._candidates: dict[int, _Candidate] = {}
        self._begun = False
        self._answer = uuid4().hex
        """Names the answer in the ids of its calls, where the provider names neither."""
        self._usage: TokenUsage | None = None

    def feed(self, event: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the typed events of one event. Raises ProviderError for an error object, or an invalid event."""
        candidates = answers.candidates_of(event)
        self._usage = answers.usage_of(event) or self._usage
        if not self._begun:
            self._begun = True
            name = answers.answer_id(event)
            self._answer = name or self._answer
            yield AnswerStarted(name or None, answers.model_of(event))
        for place, each in enumerate(candidates):
            index = answers.index_of(each, place)
            yield from self._read(self._candidates.setdefault(index, _Candidate(index)), each)
        if not self._candidates and answers.is_blocked(event):
            self._candidates[0] = _Candidate(0, ended=True)
            yield ChoiceEnded("content_filter")
        if (usage := answers.usage_of(event)) is not None:
            yield UsageReported(usage)

    def end(self) -> Iterator[AnswerEvent]:
        """Yield the end. Raises ProviderError if a choice never finished, or none began."""
        if not self._candidates or not all(each.ended for each in self._candidates.values()):
            raise ProviderError("cut", "its stream ended without a finishReason", unknown=True)
        yield AnswerEnded()

    def _read(self, choice: _Candidate, given: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        if choice.ended:
            return
        for part in answers.parts_of(given, self._custom, f"{self._answer}-{choice.index}", choice.calls):
            yield from choice.add(part)
        if (finish := answers.finish_of(given)) is not None:
            reason = answers.reason_of(finish, calls=choice.calls > 0, usage=self._usage)
            yield from choice.close()
            choice.ended = True
            yield ChoiceEnded(reason, choice.index)
