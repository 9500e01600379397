"""The Protocol of a dialect, so that any caller's dialect can meet any provider's. Pure: no I/O, no provider, no price.

A dialect is a package with a module for requests, answers and streams, and an object of this Protocol. Reading a caller's request raises
`InvalidInput`, with the path of the wrong field as `param` ("messages[2].content[0].source"); reading a provider's answer or event raises
`ProviderError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerEvent, WholeAnswer
from app.inference.conversation import Conversation, DialectName


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """A request in a dialect. `dropped`: the names of what the conversation holds and this dialect can't say, for `x-cairn-dropped`."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()


class EventReader(Protocol):
    """Reads one stream of a provider. Feed it each event's JSON in order."""

    def feed(self, event: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the typed events of one event. Raises ProviderError for an error event or one that is invalid; unknown ones are skipped."""

    def end(self) -> Iterator[AnswerEvent]:
        """Yield what is due at the stream's end. Raises ProviderError if the provider never finished."""


class EventWriter(Protocol):
    """Writes one stream to a caller, as server-sent events."""

    def feed(self, event: AnswerEvent) -> Iterator[bytes]:
        """Yield the server-sent events that one typed event becomes, in the dialect's exact order."""

    def end(self, usage: TokenUsage, *, extra: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the stream's end. `usage`: what was charged; `extra`: Cairn's fields beside it (cost, remaining budget)."""


class ProviderDialect(Protocol):
    """A dialect as providers speak it: what a wire needs of one."""

    name: DialectName

    def write_request(self, conversation: Conversation) -> WrittenRequest: ...

    def read_answer(self, body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
        """Read a provider's whole answer. `asked`: what it answers, where this dialect's request had to change its tools (custom ones)."""

    def event_reader(self, asked: Conversation | None = None) -> EventReader:
        """Return a reader of one stream. `asked`: as in `read_answer`."""


class Dialect(ProviderDialect, Protocol):
    """A dialect that callers speak too."""

    def read_request(self, body: Mapping[str, Any]) -> Conversation: ...

    def write_answer(self, answer: WholeAnswer, *, extra: Mapping[str, Any], asked: Conversation | None = None) -> dict[str, Any]:
        """Write an answer. `extra`: Cairn's fields beside the usage; `asked`: what it answers, for dialects that repeat its options."""

    def event_writer(self, *, input_tokens: int, usage_asked: bool = True, asked: Conversation | None = None) -> EventWriter:
        """Return a writer. `input_tokens`: the prompt's, as counted before the call, for dialects that tell it first; `asked`: as above."""
