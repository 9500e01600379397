"""Put a stream of typed events together into the whole answer that it tells, and check that it is well formed on the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.budget.prices import TokenUsage
from app.inference.answer_events import (
    AnswerChoice,
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
    WholeAnswer,
)
from app.inference.conversation import Part, RefusalText, Text, Thinking, ToolInvocation


@dataclass
class _Open:
    started: PartStarted
    texts: list[str] = field(default_factory=list)
    signature: str | None = None
    sealed: str | None = None
    id: str | None = None
    ended: bool = False

    @property
    def part(self) -> Part:
        text = "".join(self.texts)
        match self.started.kind:
            case "text":
                return Text(text)
            case "refusal":
                return RefusalText(text)
            case "thinking":
                return Thinking(text, self.signature, self.sealed, self.id)
            case "tool_call":
                assert self.started.call_id is not None
                assert self.started.name is not None
                return ToolInvocation(self.started.call_id, self.started.name, text, self.started.tool)
            case "opaque":
                assert self.started.opaque is not None
                return self.started.opaque


def assembled(events: Iterable[AnswerEvent]) -> WholeAnswer:
    """Fails where a part is used before it began or after it ended, an index is skipped, or anything follows the end."""
    started: AnswerStarted | None = None
    parts: dict[int, list[_Open]] = {}
    ends: dict[int, ChoiceEnded] = {}
    usage: TokenUsage | None = None
    ended = False
    for event in events:
        assert not ended, f"{event} after the end"
        match event:
            case AnswerStarted():
                assert started is None
                started = event
            case PartStarted():
                assert event.choice not in ends
                assert event.part == len(parts.setdefault(event.choice, []))
                parts[event.choice].append(_Open(event))
            case TextDelta() | ArgumentsDelta():
                assert event.text
                part = parts[event.choice][event.part]
                assert not part.ended
                assert (part.started.kind == "tool_call") == isinstance(event, ArgumentsDelta)
                part.texts.append(event.text)
            case SignatureDelta():
                part = parts[event.choice][event.part]
                assert not part.ended
                part.signature, part.sealed, part.id = event.signature, event.sealed, event.id
            case PartEnded():
                part = parts[event.choice][event.part]
                assert not part.ended
                part.ended = True
            case ChoiceEnded():
                assert event.choice not in ends
                assert all(part.ended for part in parts.get(event.choice, []))
                ends[event.choice] = event
            case UsageReported():
                usage = event.usage
            case AnswerEnded():
                ended = True
    assert ended
    assert started is not None
    assert parts.keys() <= ends.keys()
    choices = tuple(
        AnswerChoice(tuple(part.part for part in parts.get(choice, [])), end.reason, end.stop_sequence)
        for choice, end in sorted(ends.items())
    )
    return WholeAnswer(choices, started.id, started.model, started.created, usage)
