"""Put typed events together into the whole answer that they tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.inference.answer_events import (
    AnswerChoice,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    CitationDelta,
    PartStarted,
    SignatureDelta,
    TextDelta,
    WholeAnswer,
)
from app.inference.conversation import Opaque, Part, RefusalText, Text, Thinking, ToolInvocation


@dataclass(slots=True)
class _PartSoFar:
    """A part in the making."""

    started: PartStarted
    texts: list[str] = field(default_factory=list)
    citations: list[Opaque] = field(default_factory=list)
    proof: SignatureDelta | None = None

    def part(self) -> Part | None:
        """Return the part; None for an empty text."""
        text = "".join(self.texts)
        match self.started.kind:
            case "text":
                return Text(text, citations=tuple(self.citations)) if text else None
            case "refusal":
                return RefusalText(text) if text else None
            case "thinking":
                proof = self.proof or SignatureDelta(self.started.part)
                return Thinking(text, proof.signature, proof.sealed, proof.id)
            case "tool_call":
                return ToolInvocation(self.started.call_id or "", self.started.name or "", text, self.started.tool)
            case "opaque":
                return self.started.opaque


class AnswerAssembly:
    """A whole answer in the making: `add` events as `PieceReader` yields them, then `answer`. The usage isn't among them."""

    def __init__(self) -> None:
        self._started = AnswerStarted()
        self._parts: dict[tuple[int, int], _PartSoFar] = {}
        self._ends: dict[int, ChoiceEnded] = {}

    def add(self, events: Iterable[AnswerEvent]) -> None:
        for event in events:
            match event:
                case AnswerStarted():
                    self._started = event
                case PartStarted(part, _, choice):
                    self._parts[choice, part] = _PartSoFar(event)
                case TextDelta(part, text, choice) | ArgumentsDelta(part, text, choice):
                    self._parts[choice, part].texts.append(text)
                case SignatureDelta(part, choice=choice):
                    self._parts[choice, part].proof = event
                case CitationDelta(part, citation, choice):
                    self._parts[choice, part].citations.append(citation)
                case ChoiceEnded(choice=choice):
                    self._ends[choice] = event

    def answer(self) -> WholeAnswer:
        """Return the answer, without its usage."""
        choices = []
        for index, end in sorted(self._ends.items()):
            parts = (made for (choice, _), part in self._parts.items() if choice == index and (made := part.part()) is not None)
            choices.append(AnswerChoice(tuple(parts), end.reason, end.stop_sequence, end.own))
        started = self._started
        return WholeAnswer(tuple(choices), started.id, started.model, started.created)
