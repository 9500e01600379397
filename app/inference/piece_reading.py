"""Read a stream's pieces into one typed answer, whether a piece has a provider's own events or only its JSON in Chat Completions. Pure.

Both may occur in one stream: a rescue continues an answer in Chat Completions, and a shared stream keeps of its older part only the text.
Parts are numbered anew; plain text continues the text that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.inference.answer_events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    Delta,
    PartEnded,
    PartKind,
    PartStarted,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Conversation
from app.inference.dialects.chat import CHAT
from app.inference.provider_errors import ProviderError

Source = Literal["typed", "plain"]


@dataclass(slots=True)
class _Choice:
    """One choice. `open`: the kinds of its open parts; `numbers`: which part of the answer stands for one of a source's own."""

    index: int
    parts: int = 0
    open: dict[int, PartKind] = field(default_factory=dict)
    numbers: dict[tuple[Source, int], int] = field(default_factory=dict)
    ended: bool = False

    def start(self, event: PartStarted, source: Source) -> Iterator[AnswerEvent]:
        """Begin a part; plain text goes on with an open text of the other source, whose other open parts end."""
        others = {number for (each, _), number in self.numbers.items() if each != source} & self.open.keys()
        text = self.open_text()
        if source == "plain" and event.kind == "text" and text in others:
            assert text is not None
            self.numbers[source, event.part] = text
            return
        for number in sorted(others):
            yield from self.close(number)
        self.numbers[source, event.part] = number = self.parts
        self.open[number] = event.kind
        self.parts += 1
        yield event if event.part == number else replace(event, part=number)

    def add(self, event: Delta, source: Source) -> Iterator[AnswerEvent]:
        """Add a delta. Text of a part whose beginning was compacted goes on with the open text."""
        number = self.numbers.get((source, event.part))
        if number is None and (text := self.open_text()) is not None:
            self.numbers[source, event.part] = number = text
        if number is None and isinstance(event, TextDelta):
            yield from self.start(PartStarted(event.part, "text", self.index), source)
            number = self.numbers[source, event.part]
        if number in self.open:
            yield event if event.part == number else replace(event, part=number)

    def end_part(self, event: PartEnded, source: Source) -> Iterator[AnswerEvent]:
        if (number := self.numbers.get((source, event.part))) in self.open:
            assert number is not None
            yield from self.close(number)

    def end(self, event: ChoiceEnded) -> Iterator[AnswerEvent]:
        for number in list(self.open):
            yield from self.close(number)
        self.ended = True
        yield event

    def close(self, number: int) -> Iterator[AnswerEvent]:
        del self.open[number]
        yield PartEnded(number, self.index)

    def open_text(self) -> int | None:
        return next((number for number, kind in self.open.items() if kind == "text"), None)


class PieceReader:
    """Reads one stream. `asked`: the conversation that it answers."""

    def __init__(self, asked: Conversation | None = None) -> None:
        self._plain = CHAT.event_reader(asked)
        self._choices: dict[int, _Choice] = {}
        self._begun = False

    def typed(self, events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
        """Yield the events of a piece that has its own."""
        return self._numbered(events, "typed")

    def plain(self, chunk: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the events of a chunk of Chat Completions. Raises ProviderError for one that is invalid."""
        return self._numbered(self._plain.feed(chunk), "plain")

    def end(self) -> Iterator[AnswerEvent]:
        """Yield the end. Raises ProviderError if a choice never finished, or none began."""
        if not self._choices or not all(each.ended for each in self._choices.values()):
            raise ProviderError("cut", "its stream ended without a finish_reason", unknown=True)
        yield AnswerEnded()

    def _numbered(self, events: Iterable[AnswerEvent], source: Source) -> Iterator[AnswerEvent]:
        for event in events:
            match event:
                case AnswerStarted():
                    if not self._begun:
                        yield event
                    self._begun = True
                case UsageReported() | AnswerEnded():
                    pass  # what was charged is the engine's to tell, and the end comes once
                case _:
                    yield from self._of_choice(event, source)

    def _of_choice(self, event: PartStarted | PartEnded | ChoiceEnded | Delta, source: Source) -> Iterator[AnswerEvent]:
        choice = self._choices.setdefault(event.choice, _Choice(event.choice))
        if choice.ended:
            return
        match event:
            case PartStarted():
                yield from choice.start(event, source)
            case PartEnded():
                yield from choice.end_part(event, source)
            case ChoiceEnded():
                yield from choice.end(event)
            case _:
                yield from choice.add(event, source)
