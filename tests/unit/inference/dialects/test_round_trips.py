"""Any conversation and any answer, written in a dialect and read back, keeps what the dialect can say; nonsense is refused, never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.errors import InvalidInput
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
    WholeAnswer,
)
from app.inference.conversation import Conversation, Image, RefusalText, Text, Thinking, ToolDefinition, ToolInvocation, ToolResult
from app.inference.dialects.chat import CHAT
from app.inference.dialects.dialect import Dialect
from app.inference.dialects.messages import MESSAGES
from app.inference.dialects.responses import RESPONSES
from app.inference.dialects.wrapped_tools import wrapped, wrapped_text
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects import strategies
from tests.unit.inference.dialects.assembled import assembled

DIALECTS: list[Dialect] = [CHAT, MESSAGES, RESPONSES]
FEWER = settings(max_examples=40)
"""Nine pairs of dialects, and the unit tests should take half a minute."""
PAIRS = list(product(DIALECTS, DIALECTS))


def name_of(dialect: Dialect) -> str:
    return dialect.name


def pair_name(pair: tuple[Dialect, Dialect]) -> str:
    return "-".join(each.name for each in pair)


def sent(dialect: Dialect, conversation: Conversation) -> Conversation:
    """Write a conversation and read it, over real JSON."""
    return dialect.read_request(json.loads(json.dumps(dialect.write_request(conversation).body)))


def without_custom(conversation: Conversation) -> Conversation:
    """Return the conversation as a dialect without custom tools tells it: with functions in their place."""

    def changed(part: Any) -> Any:
        if isinstance(part, ToolInvocation) and part.kind == "custom":
            return replace(part, kind="function", arguments=wrapped_text(part.arguments))
        return replace(part, kind="function") if isinstance(part, ToolResult) else part

    turns = tuple(replace(turn, parts=tuple(map(changed, turn.parts))) for turn in conversation.turns)
    tools = tuple(wrapped(tool) if isinstance(tool, ToolDefinition) and tool.kind == "custom" else tool for tool in conversation.tools)
    choice = conversation.options.tool_choice
    options = replace(conversation.options, tool_choice=None if choice is None else replace(choice, kind="function"))
    return replace(conversation, turns=turns, tools=tools, options=options)


WRITES_NO_CUSTOM = frozenset({"chat", "messages"})


def expected(pair: tuple[Dialect, Dialect], conversation: Conversation) -> Conversation:
    for dialect in pair:
        if dialect.name in WRITES_NO_CUSTOM:
            conversation = without_custom(conversation)
        conversation = strategies.said_in(dialect.name, conversation)
    return conversation


def normal(pair: tuple[Dialect, Dialect], conversation: Conversation) -> Conversation:
    for dialect in pair:
        conversation = strategies.said_in(dialect.name, conversation)
    return conversation


@pytest.mark.parametrize("pair", PAIRS, ids=pair_name)
@FEWER
@given(strategies.conversations())
def test_any_conversation_through_a_pair_of_dialects_keeps_what_both_can_say(
    pair: tuple[Dialect, Dialect], conversation: Conversation
) -> None:
    first, second = pair
    found = normal(pair, sent(second, sent(first, conversation)))
    wanted = expected(pair, conversation)
    assert found.turns == wanted.turns
    assert found.tools == wanted.tools
    assert [tool.schema for tool in found.tools] == [tool.schema for tool in wanted.tools]  # type: ignore[union-attr]
    assert found.options == wanted.options
    if found.options.output_format is not None and wanted.options.output_format is not None:
        assert found.options.output_format.schema == wanted.options.output_format.schema


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.conversations())
def test_writing_again_what_was_read_changes_nothing(dialect: Dialect, conversation: Conversation) -> None:
    once = dialect.write_request(conversation)
    assert dialect.write_request(dialect.read_request(json.loads(json.dumps(once.body)))).body == once.body


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.answers())
def test_any_answer_comes_back(dialect: Dialect, answer: WholeAnswer) -> None:
    found = dialect.read_answer(json.loads(json.dumps(dialect.write_answer(answer, extra={"cost_usd": 0.5}))))
    assert found.choices == strategies.answer_said_in(dialect.name, answer).choices
    assert (found.model, found.usage) == (answer.model, answer.usage)
    assert (found.id or "").endswith(answer.id or "?")


def events_of(answer: WholeAnswer, cut: Callable[[str], list[str]]) -> Iterator[AnswerEvent]:
    """Tell an answer as a stream, its texts in pieces."""
    kinds: dict[type, PartKind] = {Text: "text", RefusalText: "refusal", Thinking: "thinking", ToolInvocation: "tool_call"}
    yield AnswerStarted(answer.id, answer.model, answer.created)
    for choice, told in enumerate(answer.choices):
        for place, part in enumerate(told.parts):
            if isinstance(part, ToolInvocation):
                yield PartStarted(place, "tool_call", choice, part.id, part.name, part.kind)
                yield from (ArgumentsDelta(place, piece, choice) for piece in cut(part.arguments))
            else:
                assert isinstance(part, Text | RefusalText | Thinking)
                yield PartStarted(place, kinds[type(part)], choice)
                yield from (TextDelta(place, piece, choice) for piece in cut(part.text))
            if isinstance(part, Thinking) and (part.signature or part.sealed):
                yield SignatureDelta(place, part.signature, part.sealed, choice)
            yield PartEnded(place, choice)
        yield ChoiceEnded(told.reason, choice)
    if answer.usage is not None:
        yield UsageReported(answer.usage)
    yield AnswerEnded()


def cut_after(size: int) -> Callable[[str], list[str]]:
    return lambda text: [text[at : at + size] for at in range(0, len(text), size)]


def streamed(dialect: Dialect, events: Iterator[AnswerEvent]) -> Iterator[dict[str, Any]]:
    """Write events, and yield the JSON of what a client would read."""
    writer = dialect.event_writer(input_tokens=1)
    raw = [line for event in events for line in writer.feed(event)]
    raw += writer.end(TokenUsage(input=9, output=3), extra={})
    for line in b"".join(raw).decode().split("\n"):
        data = line.removeprefix("data: ")
        if data != line and data != "[DONE]":
            yield json.loads(data)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.answers(), st.integers(1, 9))
def test_any_answer_comes_back_from_its_stream_whatever_the_pieces(dialect: Dialect, answer: WholeAnswer, size: int) -> None:
    reader = dialect.event_reader()
    events = [event for each in streamed(dialect, events_of(answer, cut_after(size))) for event in reader.feed(each)]
    found = assembled([*events, *reader.end()])
    assert _merged(strategies.answer_said_in(dialect.name, found)) == _merged(strategies.answer_said_in(dialect.name, answer))
    assert found.usage == TokenUsage(input=9, output=3)
    assert (found.id or "").endswith(answer.id or "?")


def _merged(answer: WholeAnswer) -> list[tuple[list[Any], str]]:
    """Return the choices, with unsigned thoughts that follow each other joined: a stream can't tell them apart."""
    found: list[tuple[list[Any], str]] = []
    for choice in answer.choices:
        parts: list[Any] = []
        for part in choice.parts:
            last = parts[-1] if parts else None
            if isinstance(part, Thinking) and isinstance(last, Thinking) and not (last.signature or last.sealed or part.sealed):
                parts[-1] = replace(last, text=last.text + part.text, signature=part.signature)
            else:
                parts.append(part)
        found.append((parts, choice.reason))
    return found


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(st.dictionaries(st.sampled_from(["model", "messages", "input", "tools", "stop", "system", "max_tokens"]), strategies.json_values))
def test_a_request_of_any_json_is_read_or_refused(dialect: Dialect, body: dict[str, Any]) -> None:
    with suppress(InvalidInput):
        dialect.read_request({"model": "auto", **body})


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.conversations(), st.data())
def test_a_request_with_any_one_field_wrong_is_read_or_refused(dialect: Dialect, conversation: Conversation, data: st.DataObject) -> None:
    body = json.loads(json.dumps(dialect.write_request(conversation).body))
    _spoil(body, data)
    with suppress(InvalidInput):
        dialect.write_request(dialect.read_request(body))


def _spoil(value: Any, data: st.DataObject) -> None:
    """Replace one value, somewhere within, by any other JSON."""
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    if isinstance(value[place], dict | list) and value[place] and data.draw(st.booleans()):
        _spoil(value[place], data)
    else:
        value[place] = data.draw(strategies.json_values)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.answers(), st.data())
def test_an_answer_with_any_one_field_wrong_is_read_or_a_providers_error(
    dialect: Dialect, answer: WholeAnswer, data: st.DataObject
) -> None:
    body = json.loads(json.dumps(dialect.write_answer(answer, extra={})))
    _spoil(body, data)
    with suppress(ProviderError):
        dialect.read_answer(body)


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.answers(), st.integers(1, 9), st.data())
def test_a_stream_with_any_one_field_wrong_is_read_or_a_providers_error(
    dialect: Dialect, answer: WholeAnswer, size: int, data: st.DataObject
) -> None:
    chunks = list(streamed(dialect, events_of(answer, cut_after(size))))
    _spoil(data.draw(st.sampled_from(chunks)), data)
    reader = dialect.event_reader()
    with suppress(ProviderError):
        for each in chunks:
            list(reader.feed(each))
        list(reader.end())


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@FEWER
@given(strategies.answers(), st.integers(1, 9), st.data())
def test_a_stream_cut_anywhere_is_whole_or_broken(dialect: Dialect, answer: WholeAnswer, size: int, data: st.DataObject) -> None:
    chunks = list(streamed(dialect, events_of(answer, cut_after(size))))
    length = data.draw(st.integers(0, len(chunks)))
    reader = dialect.event_reader()
    events = [event for each in chunks[:length] for event in reader.feed(each)]
    try:
        events += reader.end()
    except ProviderError:
        return
    found = assembled(events)
    assert _merged(strategies.answer_said_in(dialect.name, found)) == _merged(strategies.answer_said_in(dialect.name, answer))


def parts_of(conversation: Conversation, kind: type) -> list[Any]:
    return [part for part in conversation.parts() if isinstance(part, kind)]


@pytest.mark.parametrize(
    "holds",
    [
        lambda each: any(call.kind == "custom" for call in parts_of(each, ToolInvocation)),
        lambda each: any(sum(isinstance(part, ToolInvocation) for part in turn.parts) > 1 for turn in each.turns),
        lambda each: any(thought.signature for thought in parts_of(each, Thinking)),
        lambda each: any(thought.sealed for thought in parts_of(each, Thinking)),
        lambda each: any(text.cache for text in parts_of(each, Text)),
        lambda each: parts_of(each, Image) and parts_of(each, ToolResult) and each.options.tool_choice is not None,
    ],
)
def test_the_conversations_are_of_the_kinds_that_matter(holds: Callable[[Conversation], Any]) -> None:
    find(strategies.conversations(), holds, settings=settings(database=None, phases=[Phase.generate], max_examples=2000), random=Random(1))
