"""Read a provider's stream of Chat Completions chunks into typed events. Pure.

One part of text or thinking is open at a time in a choice; tool calls stay open beside it, since their deltas may interleave. A call
whose arguments are whole JSON ends when the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from app.inference import answers
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
from app.inference.conversation import Conversation, ToolKind
from app.inference.dialects.chat.answers import arguments_of, call_id, created, pieces, reason_of, thought_of
from app.inference.dialects.wrapped_tools import Unwrapper, custom_names
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.usage import reply_usage

TextKind = Literal["text", "thinking", "refusal"]


@dataclass(slots=True)
class _Call:
    """A tool call under way. `part` None: not yet begun, its name is still to come; `unwrapper`: of a custom tool sent as a function."""

    id: str
    name: str = ""
    tool: ToolKind = "function"
    part: int | None = None
    arguments: list[str] = field(default_factory=list)
    unwrapper: Unwrapper | None = None
    ended: bool = False

    @property
    def whole(self) -> bool:
        """True if the arguments are complete: nothing but white space may follow."""
        try:
            return isinstance(msgspec.json.decode("".join(self.arguments)), dict)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False


@dataclass(slots=True)
class _Choice:
    """The state of one choice. `open_part`: the part under way, of text, thinking or refusal, and its words so far."""

    index: int
    answer: str
    custom: frozenset[str]
    parts: int = 0
    open_part: tuple[TextKind, int] | None = None
    words: list[str] = field(default_factory=list)
    signed: bool = False
    calls: list[_Call] = field(default_factory=list)
    at: dict[object, _Call] = field(default_factory=dict)
    finish: str | None = None

    def add_text(self, kind: TextKind, text: str) -> Iterator[AnswerEvent]:
        """Add words to the open part of this kind; begin it first if another is open, or none."""
        if not text:
            return
        yield from self._opened(kind)
        assert self.open_part is not None
        self.words.append(text)
        yield TextDelta(self.open_part[1], text, self.index)

    def add_signature(self, text: str, *, signature: str | None = None, sealed: str | None = None) -> Iterator[AnswerEvent]:
        """Add thinking with its maker's proof. litellm repeats the whole thought beside the proof: what was said isn't said again."""
        said = "".join(self.words) if self.open_part is not None and self.open_part[0] == "thinking" and not self.signed else ""
        if sealed is not None or (said and text and not text.startswith(said)):
            yield from self.end_open_part()
            said = ""
        yield from self.add_text("thinking", text.removeprefix(said))
        yield from self._opened("thinking")
        assert self.open_part is not None
        yield SignatureDelta(self.open_part[1], signature, sealed, self.index)
        self.signed = True

    def end_open_part(self) -> Iterator[AnswerEvent]:
        """End the open part of text, thinking or refusal."""
        if self.open_part is not None:
            yield PartEnded(self.open_part[1], self.index)
        self.open_part, self.words, self.signed = None, [], False

    def _opened(self, kind: TextKind) -> Iterator[AnswerEvent]:
        if self.open_part is not None and self.open_part[0] == kind and not self.signed:
            return
        yield from self.end_open_part()
        self.open_part = (kind, self.parts)
        yield PartStarted(self.parts, kind, self.index)
        self.parts += 1

    def call(self, key: object, given: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Add one delta of a tool call: `key` is its index. Another id under the same index is another call."""
        tool: ToolKind = "custom" if isinstance(given.get("custom"), Mapping) else "function"
        inner = given.get(tool)
        inner = inner if isinstance(inner, Mapping) else {}
        told, name = given.get("id"), inner.get("name")
        call = self.at.get(key)
        if call is None or (
            isinstance(told, str) and told and told != call.id and isinstance(name, str) and name and call.part is not None
        ):
            call = self.at[key] = _Call(call_id(told, f"{self.answer}-{self.index}", len(self.calls)), tool=tool)
            self.calls.append(call)
        if isinstance(name, str) and name and not call.name:
            call.name = name
        if call.name and call.part is None:
            yield from self._begin(call)
        text = arguments_of(inner.get("input" if tool == "custom" else "arguments"))
        if text:
            yield from self._add(call, text)

    def _begin(self, call: _Call) -> Iterator[AnswerEvent]:
        yield from self.end_open_part()
        for each in self.calls:
            if each is not call and each.part is not None and not each.ended and each.tool == "function" and each.whole:
                yield from self._close(each)
        if call.name in self.custom:
            call.tool, call.unwrapper = "custom", Unwrapper()
        call.part = self.parts
        self.parts += 1
        yield PartStarted(call.part, "tool_call", self.index, call.id, call.name, call.tool)
        waiting, call.arguments = "".join(call.arguments), []
        if waiting:
            yield from self._add(call, waiting)

    def _add(self, call: _Call, text: str) -> Iterator[AnswerEvent]:
        if call.ended:
            if text.strip():
                raise malformed("its stream goes on with a tool call that was complete")
            return
        call.arguments.append(text)
        if call.part is None:
            return
        if added := call.unwrapper.feed(text) if call.unwrapper is not None else text:
            yield ArgumentsDelta(call.part, added, self.index)

    def _close(self, call: _Call) -> Iterator[AnswerEvent]:
        """End a call. One without any arguments has none: an empty object, as a whole answer would say."""
        if call.part is None:
            raise malformed("its stream has a tool call without a name")
        rest = call.unwrapper.end() if call.unwrapper is not None else ""
        if call.tool == "function" and not "".join(call.arguments).strip():
            rest = "{}"
        if rest:
            yield ArgumentsDelta(call.part, rest, self.index)
        yield PartEnded(call.part, self.index)
        call.ended = True

    def end(self) -> Iterator[AnswerEvent]:
        """End the choice and all its parts."""
        yield from self.end_open_part()
        for call in self.calls:
            if not call.ended:
                yield from self._close(call)
        yield ChoiceEnded(reason_of(self.finish or "stop", calls=bool(self.calls)), self.index)


def _differs(told: object, known: str) -> bool:
    return isinstance(told, str) and told not in {"", known}


class ChatEventReader:
    """Reads one stream. A choice ends with its `finish_reason`; what comes of it afterwards is ignored, but usage."""

    def __init__(self, asked: Conversation | None = None) -> None:
        self._custom = custom_names(asked)
        self._choices: dict[int, _Choice] = {}
        self._begun = False
        self._answer = ""

    def feed(self, event: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        """Yield the typed events of one chunk. Raises ProviderError for an error object, or an invalid chunk."""
        if not isinstance(event, Mapping):
            raise malformed("its stream has an event that is not a chunk object")
        if event.get("error"):
            raise of_error_object(event["error"])
        choices = event.get("choices") or ()
        if not isinstance(choices, list | tuple) or not all(isinstance(each, Mapping) for each in choices):
            raise malformed("its stream has a chunk with invalid choices")
        if not self._begun:
            self._begun = True
            name = event.get("id")
            self._answer = name if isinstance(name, str) else ""
            yield AnswerStarted(self._answer or None, answers.model(event), created(event))
        for place, choice in enumerate(choices):
            yield from self._choice(choice, place)
        if (usage := reply_usage(event)) is not None:
            yield UsageReported(usage)

    def end(self) -> Iterator[AnswerEvent]:
        """Yield the end. Raises ProviderError if a choice never finished, or none began."""
        if not self._choices or any(each.finish is None for each in self._choices.values()):
            raise ProviderError("cut", "its stream ended without a finish_reason", unknown=True)
        yield AnswerEnded()

    def _choice(self, given: Mapping[str, Any], place: int) -> Iterator[AnswerEvent]:
        told = given.get("index", place)
        index = told if isinstance(told, int) else place
        choice = self._choices.setdefault(index, _Choice(index, self._answer, self._custom))
        if choice.finish is not None:
            return
        delta = given.get("delta")
        if isinstance(delta, Mapping):
            yield from self._delta(choice, delta)
        if (finish := answers.finish_reason(given)) is not None:
            choice.finish = finish
            yield from choice.end()

    def _delta(self, choice: _Choice, delta: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        yield from _thinking(choice, delta)
        for kind, text in pieces(delta.get("content")):
            yield from choice.add_text("thinking" if kind == "thinking" else "text", text)
        if isinstance(refusal := delta.get("refusal"), str):
            yield from choice.add_text("refusal", refusal)
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, Mapping):
                index = call.get("index", place)
                yield from choice.call(index if isinstance(index, int) else place, call)
        if isinstance(function := delta.get("function_call"), Mapping):
            yield from choice.call("function_call", {"function": function})


def _thinking(choice: _Choice, delta: Mapping[str, Any]) -> Iterator[AnswerEvent]:
    """Yield the thinking of a delta: from its blocks, else from the plain text that some servers send instead, or beside."""
    blocks = delta.get("thinking_blocks")
    found = [thought for each in blocks if (thought := thought_of(each)) is not None] if isinstance(blocks, list) else []
    for thought in found:
        if thought.sealed is not None or thought.signature is not None:
            yield from choice.add_signature(thought.text, signature=thought.signature, sealed=thought.sealed)
        else:
            yield from choice.add_text("thinking", thought.text)
    if not found:
        text = delta.get("reasoning_content") or delta.get("reasoning")
        yield from choice.add_text("thinking", text if isinstance(text, str) else "")
