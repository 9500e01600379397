"""The typed stream of an answer: every dialect's events are read into these, and written from these. Knows no dialect.

One answer is: `AnswerStarted`, then for each part `PartStarted`, its deltas, `PartEnded`; for each choice `ChoiceEnded`; `UsageReported`
as often as the provider reports it; at the end `AnswerEnded`. Parts of one choice never interleave in Messages and Responses; in Chat
Completions the deltas of parallel tool calls may, so deltas carry their part's index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.budget.prices import TokenUsage
from app.inference.conversation import Opaque, Part, RefusalText, Text, Thinking, ToolInvocation, ToolKind

StopReason = Literal["end", "max_tokens", "tool_calls", "stop_sequence", "refusal", "content_filter", "pause", "context_full"]
"""The reason why a choice ended. `pause`: a hosted tool's turn is to be continued; `context_full`: the model's window is full."""
PartKind = Literal["text", "thinking", "tool_call", "refusal", "opaque"]


@dataclass(frozen=True, slots=True)
class AnswerStarted:
    """The provider began to answer. `id`: its own name of the answer; `model`: the model that answers; `created`: Unix seconds."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


@dataclass(frozen=True, slots=True)
class PartStarted:
    """A part began. `part`: its index within its choice, from 0, in order of beginning. `call_id`, `name`, `tool`: of a tool call."""

    part: int
    kind: PartKind
    choice: int = 0
    call_id: str | None = None
    name: str | None = None
    tool: ToolKind = "function"
    opaque: Opaque | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of a text, a refusal or a thought, by the kind of its part."""

    part: int
    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """More of a tool call's arguments: a piece of JSON, or of a custom tool's text."""

    part: int
    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class SignatureDelta:
    """The maker's proof of a thought, or the thought in a form that only the maker can read (`sealed`). `id`: as of `Thinking`."""

    part: int
    signature: str | None = None
    sealed: str | None = None
    choice: int = 0
    id: str | None = None


@dataclass(frozen=True, slots=True)
class PartEnded:
    """A part is complete."""

    part: int
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ChoiceEnded:
    """A choice is complete. `stop_sequence`: the one that was met, where the provider tells it.

    `own`: what only the provider's dialect can tell of the end.
    """

    reason: StopReason
    choice: int = 0
    stop_sequence: str | None = None
    own: Opaque | None = None


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The tokens used so far; a later report replaces an earlier one."""

    usage: TokenUsage


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The provider's own end of the stream."""


@dataclass(frozen=True, slots=True)
class CitationDelta:
    """A source of what a text says, as only its own dialect can tell it."""

    part: int
    citation: Opaque
    choice: int = 0


Delta = TextDelta | ArgumentsDelta | SignatureDelta | CitationDelta
AnswerEvent = AnswerStarted | PartStarted | Delta | PartEnded | ChoiceEnded | UsageReported | AnswerEnded


@dataclass(frozen=True, slots=True)
class AnswerChoice:
    """One whole answer of the `n` that were asked for. `own`: as of `ChoiceEnded`."""

    parts: tuple[Part, ...]
    reason: StopReason
    stop_sequence: str | None = None
    own: Opaque | None = None


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """A whole answer. `usage` None: the provider reported none."""

    choices: tuple[AnswerChoice, ...]
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: TokenUsage | None = None


def events_of(answer: WholeAnswer) -> Iterator[AnswerEvent]:
    """Yield a whole answer as a stream would tell it."""
    yield AnswerStarted(answer.id, answer.model, answer.created)
    for index, choice in enumerate(answer.choices):
        for place, part in enumerate(choice.parts):
            yield from _part_events(part, place, index)
            yield PartEnded(place, index)
        yield ChoiceEnded(choice.reason, index, choice.stop_sequence, choice.own)
    if answer.usage is not None:
        yield UsageReported(answer.usage)
    yield AnswerEnded()


def _part_events(part: Part, place: int, choice: int) -> Iterator[AnswerEvent]:
    match part:
        case Text(text, citations=citations):
            yield PartStarted(place, "text", choice)
            yield TextDelta(place, text, choice)
            yield from (CitationDelta(place, each, choice) for each in citations)
        case RefusalText(text):
            yield PartStarted(place, "refusal", choice)
            yield TextDelta(place, text, choice)
        case Thinking(text, signature, sealed, name):
            yield PartStarted(place, "thinking", choice)
            if text:
                yield TextDelta(place, text, choice)
            if signature is not None or sealed is not None:
                yield SignatureDelta(place, signature, sealed, choice, name)
        case ToolInvocation():
            yield PartStarted(place, "tool_call", choice, part.id, part.name, part.kind)
            yield ArgumentsDelta(place, part.arguments, choice)
        case Opaque():
            yield PartStarted(place, "opaque", choice, opaque=part)
