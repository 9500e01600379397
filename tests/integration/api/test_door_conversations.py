"""Typed conversations through the door: over real sockets, held and settled in PostgreSQL, whatever the provider's format."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.budget.prices import TokenUsage
from app.errors import BudgetExceeded
from app.inference.answer_events import AnswerChoice, AnswerEvent, TextDelta
from app.inference.conversation import (
    ContentSource,
    Conversation,
    Image,
    Options,
    Part,
    Text,
    Thinking,
    ToolDefinition,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.conversations import ConversationEngine
from app.inference.refused_thinking import ThinkingRetryEngine
from app.inference.request import CallContext, Receipt
from app.inference.stream import BrokenStream
from tests.fakes.hostile import HostileProvider
from tests.fakes.provider import full
from tests.fakes.scripted import Failed, ScriptedProvider, Streamed
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.unit.inference.dialects.assembled import assembled
from tests.waiting import patience

LOOK = ToolDefinition("look", "Looks.", {"type": "object", "properties": {"x": {"type": "integer"}}})
PATCH = ToolDefinition("apply_patch", "Edits.", kind="custom")
LOOK_1, LOOK_2 = ToolInvocation("a", "look", '{"x":1}'), ToolInvocation("b", "look", '{"x":2}')
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
PNG = "iVBORw0KGgo="


def asked(prompt: str = "say 5 words", *, tools: Sequence[ToolDefinition] = (), **options: Any) -> Conversation:
    return Conversation("auto", (Turn("user", (Text(prompt),)),), tuple(tools), Options(**options), dialect="messages")


def scripted(**replies: ScriptedProvider) -> dict[str, HostileProvider]:
    return cast("dict[str, HostileProvider]", replies)


async def context(door: Door) -> CallContext:
    query = text("select id, team_id from developers where name = :name")
    async with door.api.services.database.begin() as connection:
        developer, team = (await connection.execute(query, {"name": door.developer})).one()
    return CallContext(developer, team, uuid4().hex)


async def whole(door: Door, conversation: Conversation) -> tuple[AnswerChoice, Receipt]:
    answer, receipt = await ConversationEngine(door.front).complete(conversation, await context(door))
    return answer.choices[0], receipt


async def streamed(door: Door, conversation: Conversation) -> tuple[AnswerChoice, Receipt, TokenUsage]:
    stream = await ConversationEngine(door.front).open_stream(conversation, await context(door))
    events = [event async for event in stream.events()]
    return assembled(events).choices[0], stream.receipt, stream.charged


def only_call(choice: AnswerChoice) -> ToolInvocation:
    (part,) = choice.parts
    assert isinstance(part, ToolInvocation)
    return part


@pytest.mark.parametrize("kind", ["openai", "groq", "anthropic", "gemini"])
async def test_a_conversation_is_answered_whole_and_streamed_at_the_same_price(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        one, receipt = await whole(door, asked())
        two, stream_receipt, charged = await streamed(door, asked())
        assert one == two == AnswerChoice((Text("".join(full("say 5 words"))),), "end")
        assert receipt.provider == stream_receipt.provider == "one"
        assert receipt.nanousd == stream_receipt.nanousd > 0
        assert stream_receipt.nanousd == charged.input * 1000 + charged.output * 2000
        assert stream_receipt.input_tokens >= charged.input > 0
        assert await door.holds() == [("one", "settled", "usage")] * 2


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_a_tool_is_called_and_its_result_is_answered(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        conversation = asked("please call look", tools=[LOOK])
        for choice in ((await whole(door, conversation))[0], (await streamed(door, conversation))[0]):
            called = only_call(choice)
            assert (called.name, called.arguments.replace(" ", ""), choice.reason) == ("look", '{"x":7}', "tool_calls")
        result = ToolResult(called.id, (Text("seen"), Image(ContentSource(data=PNG), "image/png")))
        after = Conversation("auto", (*conversation.turns, Turn("assistant", (called,)), Turn("user", (result,))), (LOOK,))
        answer, _ = await whole(door, after)
        assert answer.reason == "end"


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_a_custom_tool_reaches_a_provider_without_them_and_comes_back(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        conversation = asked("please call apply_patch", tools=[PATCH])
        for choice in ((await whole(door, conversation))[0], (await streamed(door, conversation))[0]):
            called = only_call(choice)
            assert (called.name, called.kind, called.arguments) == ("apply_patch", "custom", "the input")


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": choices, **more}


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": "look"} if more else {})}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


PARALLEL = Streamed([
    chunk({"role": "assistant", "content": None}), chunk(call(0, "", id="a", type="function")), chunk(call(0, '{"x"')),
    chunk(call(0, ":1}")), chunk(call(1, "", id="b", type="function")), chunk(call(1, '{"x":2}')), chunk({}, "tool_calls"),
    chunk(usage=USAGE), "[DONE]",
])  # fmt: skip


def message(*events: Mapping[str, Any], stop: str) -> Streamed:
    start: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    return Streamed([
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 9, "output_tokens": 1}}},
        *events,
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 40}},
        {"type": "message_stop"},
    ])  # fmt: skip


def block(index: int, begins: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begins},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def use(index: int, name: str, *pieces: str) -> list[dict[str, Any]]:
    begins = {"type": "tool_use", "id": name, "name": "look", "input": {}}
    return block(index, begins, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


THOUGHT = message(
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Is it warm"},
        {"type": "thinking_delta", "thinking": " in Oslo?"},
        {"type": "signature_delta", "signature": "sig=="},
    ),
    *block(1, {"type": "redacted_thinking", "data": "sealed=="}),
    *block(2, {"type": "text", "text": ""}, {"type": "text_delta", "text": "I"}, {"type": "text_delta", "text": " look."}),
    *use(3, "a", '{"x"', ":1}"),
    *use(4, "b", '{"x":2}'),
    stop="tool_use",
)
THOUGHTS: tuple[Part, ...] = (Thinking("Is it warm in Oslo?", "sig=="), Thinking("", sealed="sealed=="), Text("I look."))


async def test_parallel_calls_come_apart(api: Api) -> None:
    async with ScriptedProvider(PARALLEL) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        choice, _, charged = await streamed(door, asked(tools=[LOOK]))
        assert choice == AnswerChoice((LOOK_1, LOOK_2), "tool_calls")
        assert charged == TokenUsage(input=9, output=3)


async def test_thinking_and_parallel_calls_come_from_anthropic_and_go_back_to_it(api: Api) -> None:
    async with ScriptedProvider(THOUGHT) as fake, open_door(api, kinds={"one": "anthropic"}, hostile=scripted(one=fake)) as door:
        conversation = asked(tools=[LOOK], max_tokens=2000)
        choice, _, charged = await streamed(door, conversation)
        assert choice.parts == (*THOUGHTS, LOOK_1, LOOK_2)
        assert choice.reason == "tool_calls"
        assert charged == TokenUsage(input=9, output=40)
        results = Turn("user", (ToolResult("a", (Text("one"),)), ToolResult("b", (Text("two"),))))
        after = Conversation("auto", (*conversation.turns, Turn("assistant", choice.parts), results), (LOOK,))
        await streamed(door, after)
        sent = fake.asked[1]["messages"]
        assert sent[1]["content"] == [
            {"type": "thinking", "thinking": "Is it warm in Oslo?", "signature": "sig=="},
            {"type": "redacted_thinking", "data": "sealed=="},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "look", "input": {"x": 2}},
        ]
        assert [(each["type"], each["tool_use_id"]) for each in sent[2]["content"]] == [("tool_result", "a"), ("tool_result", "b")]


async def test_a_long_thought_is_counted_once(api: Api) -> None:
    """litellm repeats a whole thought beside its signature: counted twice, an honest answer would be cut off as too long."""
    thought = [{"type": "thinking_delta", "thinking": f" word{number}"} for number in range(1500)]
    signed = {"type": "signature_delta", "signature": "sig=="}
    script = message(
        *block(0, {"type": "thinking", "thinking": ""}, *thought, signed), *block(1, {"type": "text", "text": "Yes."}), stop="end_turn"
    )
    async with ScriptedProvider(script) as fake, open_door(api, kinds={"one": "anthropic"}, hostile=scripted(one=fake)) as door:
        choice, receipt, _ = await streamed(door, asked(max_tokens=1600))
        assert choice.reason == "end"
        assert isinstance(choice.parts[0], Thinking)
        assert choice.parts[0].text.startswith(" word0 word1 ")
        assert choice.parts[1:] == (Text("Yes."),)
        assert not receipt.disputed


@pytest.mark.parametrize("streams", [True, False])
async def test_thinking_that_a_provider_refuses_is_left_out_once(api: Api, streams: bool) -> None:
    said = "messages.1.content.0: Invalid `signature` in `thinking` block"
    refusal = Failed(400, {"type": "error", "error": {"type": "invalid_request_error", "message": said}})
    text_block = {"type": "text", "text": "Yes."}
    whole_message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [text_block],
        "stop_reason": "end_turn",
    }
    ends = {**whole_message, "usage": {"input_tokens": 9, "output_tokens": 2}}
    good = message(*block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Yes."}), stop="end_turn") if streams else ends
    turns = (*asked().turns, Turn("assistant", (*THOUGHTS, LOOK_1)), Turn("user", (ToolResult("a", (Text("one"),)),)))
    conversation = Conversation("auto", turns, (LOOK,), dialect="messages")
    async with ScriptedProvider(refusal, good) as fake, open_door(api, kinds={"one": "anthropic"}, hostile=scripted(one=fake)) as door:
        engine, payer = ThinkingRetryEngine(door.front), await context(door)
        if streams:
            stream = await engine.open_stream(conversation, payer)
            choice, receipt = assembled([event async for event in stream.events()]).choices[0], stream.receipt
        else:
            answer, receipt = await engine.complete(conversation, payer)
            choice = answer.choices[0]
        assert choice == AnswerChoice((Text("Yes."),), "end")
        assert receipt.dropped == ("thinking",)
        first, second = fake.asked
        assert holds(first, "signature", "data")
        assert not holds(second, "signature", "data", "thinking")
        assert second["messages"][1]["content"][-1]["name"] == "look"
        assert [state for _, state, _ in await door.holds()] == ["released", "settled"]


MARKED = Conversation(
    "auto",
    (
        Turn("system", (Text("Be brief.", "5m"),)),
        Turn("user", (Text("look"), Image(ContentSource(data=PNG), "image/png", cache="5m"))),
        Turn("assistant", (*THOUGHTS, ToolInvocation("a", "look", '{"x":1}', cache="5m"))),
        Turn("user", (ToolResult("a", (Text("one"),), cache="5m"),)),
        Turn("developer", (Text("Be quick."),)),
        Turn("user", (Text("well?"),)),
    ),
    (ToolDefinition("look", schema={"type": "object"}, cache="5m"),),
    dialect="messages",
)


def holds(value: object, *names: str) -> bool:
    """Tell whether JSON has a field of one of these names, anywhere."""
    if isinstance(value, Mapping):
        return any(name in names or holds(each, *names) for name, each in value.items())
    return isinstance(value, list) and any(holds(each, *names) for each in value)


@pytest.mark.parametrize("kind", ["openai", "groq", "gemini"])
async def test_what_only_anthropic_takes_reaches_no_other_provider(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        _, receipt = await whole(door, MARKED)
        body = door.fakes["one"].asked[0].body
        assert not holds(body, "cache_control", "thinking_blocks")
        assert receipt.dropped == (("assistant.thinking",) if kind == "gemini" else ("thinking_blocks",))
        if kind != "gemini":
            assert body["messages"][4]["role"] == "system"


async def test_anthropic_gets_marks_and_thinking(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        _, receipt = await whole(door, MARKED)
        body = door.fakes["one"].asked[0].body
        assert receipt.dropped == ()
        mark = {"cache_control": {"type": "ephemeral"}}
        assert body["system"][0] == {"type": "text", "text": "Be brief.", **mark}
        assert body["messages"][0]["content"][1]["cache_control"] == mark["cache_control"]
        thought, sealed, said, called = body["messages"][1]["content"]
        assert (thought["signature"], sealed["data"], said["text"]) == ("sig==", "sealed==", "I look.")
        assert called["cache_control"] == mark["cache_control"]
        assert body["messages"][2]["content"][0]["cache_control"] == mark["cache_control"]
        assert body["tools"][0]["cache_control"] == mark["cache_control"]


async def test_a_call_that_was_cut_short_reaches_anthropic_as_the_model_wrote_it(api: Api) -> None:
    cut = ToolInvocation("a", "look", '{"x": "cut o')
    turns = (Turn("user", (Text("look"),)), Turn("assistant", (cut,)), Turn("user", (ToolResult("a", (Text("?"),), failed=True),)))
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        await whole(door, Conversation("auto", turns, (LOOK,)))
        _, called, result = door.fakes["one"].asked[0].body["messages"]
        assert called["content"][0]["input"] == {"_raw": '{"x": "cut o'}
        assert result["content"][0]["is_error"] is True


@pytest.mark.parametrize(("one", "two"), [("openai", "groq"), ("anthropic", "groq"), ("groq", "anthropic"), ("anthropic", "openai")])
async def test_a_broken_stream_is_continued_by_the_next_provider(api: Api, one: str, two: str) -> None:
    async with open_door(api, "one", "two", kinds={"one": one, "two": two}) as door:
        door.fakes["one"].will("eof", after_tokens=6)
        choice, receipt, charged = await streamed(door, asked("say 12 words"))
        assert choice == AnswerChoice((Text("".join(full("say 12 words"))),), "end")
        assert receipt.provider == "two"
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "settled"), ("two", "settled")]
        assert receipt.nanousd == charged.input * 1000 + charged.output * 2000


async def test_a_broken_stream_with_a_call_in_it_is_never_finished(api: Api) -> None:
    """Half a call, and another provider's call: the two are never spliced."""
    cut = Streamed(PARALLEL.events[:4], breaks=True)
    async with ScriptedProvider(cut) as one, ScriptedProvider(PARALLEL) as two, open_door(api, hostile=scripted(one=one, two=two)) as door:
        stream = await ConversationEngine(door.front).open_stream(asked(tools=[LOOK]), await context(door))
        got: list[AnswerEvent] = []
        with pytest.raises(BrokenStream):
            async for event in stream.events():
                got.append(event)
        assert not any(type(event).__name__ in {"ChoiceEnded", "AnswerEnded"} for event in got)
        assert two.asked == []
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "settled")]


async def test_a_call_that_fails_before_its_first_token_is_made_by_the_next_provider(api: Api) -> None:
    async with open_door(api, "one", "two", kinds={"two": "anthropic"}) as door:
        door.fakes["one"].will("500", times=None)
        choice, receipt, _ = await streamed(door, asked("please call look", tools=[LOOK]))
        assert receipt.provider == "two"
        assert [part.name for part in choice.parts if isinstance(part, ToolInvocation)] == ["look"]


async def test_a_refused_budget_asks_nobody(api: Api) -> None:
    async with open_door(api, limit_usd=0.0001) as door:
        engine, payer = ConversationEngine(door.front), await context(door)
        with pytest.raises(BudgetExceeded):
            await engine.complete(asked(max_tokens=5000), payer)
        with pytest.raises(BudgetExceeded):
            await engine.open_stream(asked(max_tokens=5000), payer)
        assert await door.asked() == {"one": 0, "two": 0}
        assert (await door.money())["spent_usd"] == 0


async def test_a_caller_who_leaves_in_mid_stream_is_charged_for_what_came(api: Api) -> None:
    stays = Streamed([chunk({"content": "one"}), chunk({"content": " two"})], stays=True)
    async with ScriptedProvider(stays) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        stream = await ConversationEngine(door.front).open_stream(asked(), await context(door))
        events = stream.events()
        async for event in events:
            if isinstance(event, TextDelta) and event.text == " two":
                break
        await events.aclose()
        assert await door.holds() == [("one", "settled", "partial")]
        assert (await door.money())["held_usd"] == 0
        assert (await door.money())["spent_usd"] > 0
        async with patience():
            while not fake.left:
                await asyncio.sleep(0.01)


async def test_a_stream_that_nobody_reads_is_settled(api: Api) -> None:
    stays = Streamed([chunk({"content": "one"})], stays=True)
    async with ScriptedProvider(stays) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        stream = await ConversationEngine(door.front).open_stream(asked(), await context(door))
        await stream.abandon()
        assert await door.holds() == [("one", "settled", "partial")]


async def test_an_answer_from_the_cache_costs_nothing_and_tells_its_tokens(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        first, paid = await whole(door, asked(temperature=0))
        again, receipt = await whole(door, asked(temperature=0))
        replayed, stream_receipt, charged = await streamed(door, asked(temperature=0))
        assert first == again == replayed
        assert (receipt.cache, receipt.nanousd, receipt.saved) == ("memory", 0, paid.nanousd)
        assert (stream_receipt.cache, stream_receipt.input_tokens, charged.input) == ("memory", 3, 3)
        assert await door.asked() == {"one": 1}


async def test_an_answer_with_tools_is_never_from_the_cache(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        for _ in range(2):
            _, receipt = await whole(door, asked("say 5 words", tools=[LOOK], temperature=0))
            assert receipt.cache == "miss"
        assert await door.asked() == {"one": 2}
