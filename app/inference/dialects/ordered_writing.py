"""Write the first choice's parts one after the other, for dialects whose parts never interleave. Knows no dialect's events. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.inference.answer_events import (
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    CitationDelta,
    Delta,
    PartEnded,
    PartStarted,
    SignatureDelta,
    TextDelta,
)
from app.inference.provider_errors import ProviderError


@dataclass(slots=True)
class OrderedPart:
    """A part that has begun. `waiting`: its deltas that came before its turn."""

    started: PartStarted
    waiting: list[Delta] = field(default_factory=list)
    ended: bool = False


P = TypeVar("P", bound=OrderedPart)


class OrderedEventWriter(ABC, Generic[P]):
    """Writes one stream. A part that begins while another is open waits for its turn, and so do its deltas."""

    def __init__(self) -> None:
        self._begun = False
        self._parts: deque[P] = deque()
        self._choice_end: ChoiceEnded | None = None

    def feed(self, event: AnswerEvent) -> Iterator[bytes]:
        """Yield the events that one typed event becomes; some become none."""
        if isinstance(event, AnswerStarted):
            yield from self._start_once(event)
            return
        if getattr(event, "choice", None) != 0 or self._choice_end is not None:
            return
        yield from self._start_once(AnswerStarted())
        match event:
            case PartStarted():
                self._parts.append(self._make_part(event))
            case TextDelta() | ArgumentsDelta() | SignatureDelta() | CitationDelta():
                for part in self._parts:
                    if part.started.part == event.part:
                        part.waiting.append(event)
            case PartEnded():
                for part in self._parts:
                    part.ended = part.ended or part.started.part == event.part
            case ChoiceEnded():
                self._choice_end = event
                for part in self._parts:
                    part.ended = True
        yield from self._advance()

    def _ended(self) -> ChoiceEnded:
        """Return the choice's end. Raises ProviderError if it never ended: no end is made up."""
        if self._choice_end is None:
            raise ProviderError("cut", "its stream ended before the answer did", unknown=True)
        return self._choice_end

    def _start_once(self, started: AnswerStarted) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield from self._start(started)

    def _advance(self) -> Iterator[bytes]:
        """Write what has come of the first part; where it has ended, close it and go on with the next."""
        while self._parts:
            part = self._parts[0]
            yield from self._take_turn(part)
            waiting, part.waiting = part.waiting, []
            for delta in waiting:
                yield from self._write(part, delta)
            if not part.ended or not self._may_close():
                return
            yield from self._close(part)
            self._parts.popleft()

    def _may_close(self) -> bool:
        """Tell whether the first part, which has ended, may be closed yet."""
        return True

    @abstractmethod
    def _make_part(self, started: PartStarted) -> P: ...

    @abstractmethod
    def _start(self, started: AnswerStarted) -> Iterator[bytes]:
        """Write the answer's beginning; called once."""

    @abstractmethod
    def _take_turn(self, part: P) -> Iterator[bytes]:
        """Open the part if it is one that opens before its first delta; called whenever it is first in line."""

    @abstractmethod
    def _write(self, part: P, delta: Delta) -> Iterator[bytes]:
        """Write one delta of the part whose turn it is."""

    @abstractmethod
    def _close(self, part: P) -> Iterator[bytes]:
        """Write the part's end."""
