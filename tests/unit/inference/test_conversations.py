"""Typed conversations over the engine: what it is asked, what comes back, and that every stream of it is ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.budget.prices import TokenUsage
from app.errors import AllProvidersFailed, BudgetExceeded, InvalidInput
from app.inference.answer_events import AnswerEnded, AnswerEvent, ArgumentsDelta, PartStarted, TextDelta
from app.inference.conversation import (
    Audio,
    Conversation,
    DialectName,
    Options,
    Reasoning,
    Text,
    Thinking,
    ToolDefinition,
    ToolInvocation,
    Turn,
)
from app.inference.conversations import ConversationEngine
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, Receipt
from app.inference.stream import BrokenStream, StreamPiece
from tests.unit.inference.dialects.assembled import assembled

CONTEXT = CallContext(uuid4(), uuid4(), "r")
ASKED = (Turn("user", (Text("hi"),)),)
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "cost_usd": 0.5}
HEAD = {"id": "chatcmpl-1", "created": 5, "model": "m-1"}


def conversation(*, dialect: DialectName | None = "messages", **more: Any) -> Conversation:
    return Conversation("auto", ASKED, dialect=dialect, **more)


def delta(content: dict[str, Any], finish: str | None = None) -> bytes:
    return msgspec.json.encode({**HEAD, "choices": [{"index": 0, "delta": content, "finish_reason": finish}]})


HELLO = [
    delta({"content": "hel"}),
    delta({"content": "lo"}),
    delta({}, "stop"),
]


class FakeStream:
    """Yields the chunks, then raises `error` if there is one."""

    def __init__(self, chunks: list[bytes], error: Exception | None) -> None:
        self.receipt = Receipt("one", "m-1", dropped=("seed", "metadata"))
        self.closed = self.abandoned = False
        self._chunks = chunks
        self._error = error

    @property
    def charged(self) -> TokenUsage:
        return TokenUsage(9, 3) if self.closed else TokenUsage()

    async def events(self) -> AsyncGenerator[bytes]:
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                yield piece.raw

    async def pieces(self) -> AsyncGenerator[StreamPiece]:
        try:
            for chunk in self._chunks:
                yield StreamPiece(chunk, None)
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True

    async def abandon(self) -> None:
        self.abandoned = True


class FakeEngine:
    """Answers with one message, or streams these chunks; keeps the last request."""

    def __init__(self, message: dict[str, Any] | None = None, *, chunks: list[bytes] = HELLO, error: Exception | None = None) -> None:
        self.asked = ChatRequest("", [])
        self.usage_asked = False
        self.streams: list[FakeStream] = []
        self._message = message
        self._chunks = chunks
        self._error = error

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer:
        assert asker is CONTEXT
        self.asked = request
        if self._error is not None:
            raise self._error
        body = {**HEAD, "choices": [{"index": 0, "message": self._message, "finish_reason": "stop"}], "usage": USAGE}
        return CompletionAnswer(msgspec.json.encode(body), Receipt("one", "m-1"))

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> FakeStream:
        assert asker is CONTEXT
        self.asked, self.usage_asked = request, usage_asked
        self.streams.append(FakeStream(self._chunks, self._error))
        return self.streams[-1]


async def read(engine: FakeEngine, asked: Conversation | None = None) -> tuple[list[AnswerEvent], TokenUsage]:
    stream = await ConversationEngine(engine).open_stream(asked or conversation(), CONTEXT)
    return [event async for event in stream.events()], stream.charged


async def test_the_engine_gets_the_bounds_that_the_hold_needs() -> None:
    engine = FakeEngine({"content": "hello"})
    options = Options(max_tokens=50, choices=2)
    tool = ToolDefinition("look", schema={"type": "object"})
    await ConversationEngine(engine).complete(conversation(options=options, tools=(tool,)), CONTEXT, size=777, cache="never")
    asked = engine.asked
    assert (asked.model, asked.max_tokens, asked.choices, asked.bytes, asked.cache) == ("auto", 50, 2, 777, "never")
    assert asked.messages == [{"role": "user", "content": "hi"}]
    assert asked.tools == [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


async def test_the_size_is_counted_where_nobody_knows_it() -> None:
    """Without one, a large prompt would be tokenized on the event loop."""
    engine = FakeEngine({"content": "hello"})
    await ConversationEngine(engine).complete(Conversation("auto", (Turn("user", (Text("x" * 5000),)),)), CONTEXT)
    assert 5000 < engine.asked.bytes < 5200


async def test_a_whole_answer_is_typed() -> None:
    message = {"content": "hello", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    answer, receipt = await ConversationEngine(FakeEngine(message)).complete(conversation(), CONTEXT)
    assert answer.choices[0].parts == (Thinking("hm", signature="s"), Text("hello"))
    assert answer.usage == TokenUsage(input=9, output=3)
    assert receipt.provider == "one"


async def test_custom_tools_are_unwrapped_on_both_ways() -> None:
    asked = conversation(tools=(ToolDefinition("sh", kind="custom"),))
    call = {"id": "a", "type": "function", "function": {"name": "sh", "arguments": '{"input":"ls"}'}}
    answer, _ = await ConversationEngine(FakeEngine({"content": None, "tool_calls": [call]})).complete(asked, CONTEXT)
    assert answer.choices[0].parts == (ToolInvocation("a", "sh", "ls", "custom"),)
    events, _ = await read(FakeEngine(chunks=[delta({"tool_calls": [{"index": 0, **call}]}), delta({}, "tool_calls")]), asked)
    assert events[1:3] == [PartStarted(0, "tool_call", call_id="a", name="sh", tool="custom"), ArgumentsDelta(0, "ls")]


async def test_a_stream_is_typed_and_tells_what_was_charged_at_its_end() -> None:
    engine = FakeEngine()
    events, charged = await read(engine)
    assert isinstance(events[-1], AnswerEnded)
    assert assembled(events).choices[0].parts == (Text("hello"),)
    assert charged == TokenUsage(input=9, output=3)
    assert engine.streams[0].closed


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (conversation(options=Options(other={"context_management": {}, "metadata": {"user_id": "u"}})), ("context_management",)),
        (conversation(options=Options(other={"metadata": {}, "seed": 5})), ("seed",)),
        (conversation(), ()),
    ],
)
async def test_the_engine_knows_what_chat_completions_cant_say(asked: Conversation, names: tuple[str, ...]) -> None:
    engine = FakeEngine({"content": "hello"})
    await ConversationEngine(engine).complete(asked, CONTEXT)
    assert (engine.asked.lost, engine.asked.conversation) == (names, asked)


@pytest.mark.parametrize(("dialect", "optional"), [("messages", True), ("responses", True), ("chat", False), (None, True)])
async def test_the_effort_that_an_agent_always_sends_is_optional(dialect: DialectName | None, optional: bool) -> None:
    engine = FakeEngine({"content": "hello"})
    asked = conversation(dialect=dialect, options=Options(reasoning=Reasoning(effort="high")))
    await ConversationEngine(engine).complete(asked, CONTEXT)
    assert engine.asked.parameters["reasoning_effort"] == "high"
    assert ("reasoning_effort" in engine.asked.optional) is optional


async def test_a_stream_that_breaks_says_so_after_what_was_delivered() -> None:
    engine = FakeEngine(chunks=HELLO[:2], error=BrokenStream("It broke."))
    stream = await ConversationEngine(engine).open_stream(conversation(), CONTEXT)
    got: list[AnswerEvent] = []
    with pytest.raises(BrokenStream, match="It broke"):
        async for event in stream.events():
            got.append(event)
    assert [event.text for event in got if isinstance(event, TextDelta)] == ["hel", "lo"]
    assert engine.streams[0].closed


@pytest.mark.parametrize(
    "chunks", [HELLO[:2], [delta({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "{}"}}]}), delta({}, "tool_calls")]]
)
async def test_a_stream_that_cant_be_read_to_its_end_is_broken_not_finished(chunks: list[bytes]) -> None:
    engine = FakeEngine(chunks=chunks)
    with pytest.raises(BrokenStream, match="The stream of one can't be read"):
        await read(engine)
    assert engine.streams[0].closed


async def test_a_caller_who_leaves_ends_the_engines_stream() -> None:
    engine = FakeEngine()
    events = (await ConversationEngine(engine).open_stream(conversation(), CONTEXT)).events()
    await anext(events)
    assert not engine.streams[0].closed
    await events.aclose()
    assert engine.streams[0].closed


async def test_a_stream_that_nobody_reads_is_abandoned() -> None:
    engine = FakeEngine()
    await (await ConversationEngine(engine).open_stream(conversation(), CONTEXT)).abandon()
    assert engine.streams[0].abandoned


async def test_an_answer_that_cant_be_read_is_a_failure_of_the_provider() -> None:
    engine = FakeEngine({"content": None, "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]})
    with pytest.raises(AllProvidersFailed, match="The answer of one can't be read: its answer has a tool call without a name"):
        await ConversationEngine(engine).complete(conversation(), CONTEXT)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (conversation(options=Options(max_tokens=2**20 + 1)), "max_tokens"),
        (conversation(options=Options(max_tokens=2**19, choices=3)), "max_tokens"),
        (Conversation("auto", (Turn("user", (Audio("UklG", "wav"),)),)), "messages[0].content[0]"),
    ],
)
async def test_what_cant_be_asked_is_refused_before_anything_is_held(asked: Conversation, param: str) -> None:
    engine = ConversationEngine(FakeEngine(error=BudgetExceeded("never", unit="tokens", left=0, asked=0, resets_at=None)))  # type: ignore[arg-type]
    for ask in (engine.complete, engine.open_stream):
        with pytest.raises(InvalidInput) as raised:
            await ask(asked, CONTEXT)
        assert raised.value.param == param
