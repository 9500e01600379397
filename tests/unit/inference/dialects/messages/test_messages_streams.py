"""Messages streams: events to typed events and back, in the exact order, in the forms that servers really send, cut off anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

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
    StopReason,
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Conversation, Opaque, Part, Text, Thinking, ToolDefinition, ToolInvocation
from app.inference.dialects.messages import MESSAGES
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects.assembled import assembled

Json = dict[str, Any]
USAGE = {"input_tokens": 9, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 20, "output_tokens": 1}
ASKED = Conversation("auto", (), (ToolDefinition("sh", kind="custom"), ToolDefinition("look")))


def start(**usage: int) -> Json:
    message: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [], "stop_reason": None}
    return {"type": "message_start", "message": {**message, "usage": {**USAGE, **usage}}}


def begun(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", **usage: int) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 7, **usage}}


END: Json = {"type": "message_stop"}
PING: Json = {"type": "ping"}
TEXT = [begun(0, {"type": "text", "text": ""}), PING, *(delta(0, "text_delta", text=text) for text in ("He", "llo")), stop(0)]
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
SHELL = {"type": "tool_use", "id": "toolu_2", "name": "sh", "input": {}}


def called(index: int, block: Json, *pieces: str) -> list[Json]:
    return [begun(index, block), *(delta(index, "input_json_delta", partial_json=each) for each in pieces), stop(index)]


STREAMS: dict[str, tuple[list[Json], tuple[Part, ...], StopReason]] = {
    "text": ([start(), *TEXT, finish(), END], (Text("Hello"),), "end"),
    "text cut at its bound": ([start(), *TEXT, finish("max_tokens"), END], (Text("Hello"),), "max_tokens"),
    "an empty answer": ([start(), finish(), END], (), "end"),
    "an unknown event and an unknown delta": (
        [start(), {"type": "news"}, TEXT[0], delta(0, "citations_delta", citation="x"), *TEXT[2:], finish(), END],
        (Text("Hello"),),
        "end",
    ),
    "parallel calls": (
        [start(), *called(0, TOOL, "", '{"x"', ":1}"), *called(1, {**TOOL, "id": "toolu_9"}, '{"x":2}'), finish("tool_use"), END],
        (ToolInvocation("toolu_1", "look", '{"x":1}'), ToolInvocation("toolu_9", "look", '{"x":2}')),
        "tool_calls",
    ),
    "a call that finishes as an end": (
        [start(), *called(0, TOOL, "{}"), finish("end_turn"), END],
        (ToolInvocation("toolu_1", "look", "{}"),),
        "tool_calls",
    ),
    "a call whose input stands in its start": (
        [start(), begun(0, {**TOOL, "input": {"x": 1}}), stop(0), finish("tool_use"), END],
        (ToolInvocation("toolu_1", "look", '{"x":1}'),),
        "tool_calls",
    ),
    "a call without arguments": (
        [start(), begun(0, TOOL), stop(0), finish("tool_use"), END],
        (ToolInvocation("toolu_1", "look", "{}"),),
        "tool_calls",
    ),
    "a custom tool's call": (
        [start(), *called(0, SHELL, '{"inp', 'ut": "ls\\n', 'pwd"}'), finish("tool_use"), END],
        (ToolInvocation("toolu_2", "sh", "ls\npwd", "custom"),),
        "tool_calls",
    ),
    "thinking, signed and sealed": (
        [
            start(),
            begun(0, {"type": "thinking", "thinking": "", "signature": ""}),
            delta(0, "thinking_delta", thinking="is it"),
            delta(0, "thinking_delta", thinking=" warm"),
            delta(0, "signature_delta", signature="sig=="),
            stop(0),
            begun(1, {"type": "redacted_thinking", "data": "sealed=="}),
            stop(1),
            *({**each, "index": 2} if "index" in each else each for each in TEXT),
            finish(),
            END,
        ],
        (Thinking("is it warm", "sig=="), Thinking("", sealed="sealed=="), Text("Hello")),
        "end",
    ),
    "a hosted tool's blocks": (
        [
            start(),
            *called(0, {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}, '{"query":', '"x"}'),
            begun(1, {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}),
            stop(1),
            finish("pause_turn"),
            END,
        ],
        (
            Opaque("messages", "server_tool_use", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}),
            Opaque("messages", "web_search_tool_result", {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}),
        ),
        "pause",
    ),
}


def events(stream: Iterable[Mapping[str, Any]], asked: Conversation | None = ASKED) -> list[AnswerEvent]:
    reader = MESSAGES.event_reader(asked)
    return [*(event for each in stream for event in reader.feed(each)), *reader.end()]


def only(stream: Iterable[Mapping[str, Any]]) -> AnswerChoice:
    (choice,) = assembled(events(stream)).choices
    return choice


def written(typed: Iterable[AnswerEvent], usage: TokenUsage = TokenUsage(), *, input_tokens: int = 0, **extra: Any) -> list[Json]:  # noqa: B008
    """Write events, and check each server-sent event's form: its name is its type."""
    writer = MESSAGES.event_writer(input_tokens=input_tokens)
    found = []
    for raw in [*(raw for event in typed for raw in writer.feed(event)), *writer.end(usage, extra=extra)]:
        name, data, *rest = raw.decode().split("\n")
        assert rest == ["", ""]
        made = json.loads(data.removeprefix("data: "))
        assert name == f"event: {made['type']}"
        found.append(made)
    return found


def check_order(stream: Sequence[Mapping[str, Any]]) -> None:
    """Fail unless the events come in Messages' order, with blocks that follow each other and have indexes without a gap."""
    assert [each["type"] for each in stream[:1]] == ["message_start"]
    assert [each["type"] for each in stream[-2:]] == ["message_delta", "message_stop"]
    blocks, open_block, spoken = 0, None, False
    for each in stream[1:-2]:
        match each["type"]:
            case "content_block_start":
                assert open_block is None
                assert each["index"] == blocks
                assert each["content_block"].get("text", "") == ""
                open_block, blocks, spoken = each["content_block"]["type"], blocks + 1, False
            case "content_block_delta":
                assert open_block is not None
                assert each["index"] == blocks - 1
                spoken = True
            case "content_block_stop":
                assert each["index"] == blocks - 1
                assert spoken or open_block not in {"text", "thinking"}, "an empty block"
                open_block = None
            case kind:
                raise AssertionError(kind)
    assert open_block is None


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_into_typed_events(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    found = only(stream)
    assert (found.parts, found.reason) == (parts, reason)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_cut_off_anywhere_never_seems_finished(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    for cut in range(len(stream)):
        whole = any(each["type"] == "message_delta" for each in stream[:cut])
        if whole:
            found = only(stream[:cut])
            assert (found.parts, found.reason) == (parts, reason)
        else:
            with pytest.raises(ProviderError) as caught:
                events(stream[:cut])
            assert caught.value.kind == "cut"


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_written_again_says_the_same_in_the_exact_order(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    again = written(events(stream))
    check_order(again)
    found = only(again)
    assert (found.parts, found.reason) == (parts, reason)


def test_what_only_this_dialect_tells_of_an_end_comes_out_where_it_stood() -> None:
    edits = {"applied_edits": [{"type": "clear_thinking_20251015", "cleared_thinking_turns": 2}]}
    said = finish() | {"context_management": edits}
    said["delta"] = {**said["delta"], "container": {"id": "c_1"}}
    again = written(events([start(), *TEXT, said, END]))[-2]
    assert again["context_management"] == edits
    assert again["delta"] == said["delta"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_writer_that_is_ended_early_makes_no_finish_up(name: str) -> None:
    typed = events(STREAMS[name][0])
    for cut, event in enumerate(typed):
        if isinstance(event, ChoiceEnded):
            break
        writer = MESSAGES.event_writer(input_tokens=0)
        said = b"".join(raw for each in typed[:cut] for raw in writer.feed(each))
        assert b"message_stop" not in said
        assert b"message_delta" not in said
        with pytest.raises(ProviderError):
            list(writer.end(TokenUsage(), extra={}))


BROKEN: dict[str, tuple[list[Json], str]] = {
    "an error event": ([start(), {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}], "server_error"),
    "an error of the rate": ([{"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}], "rate_limited"),
    "an error without words": ([{"type": "error"}], "server_error"),
    "a delta without its block": ([start(), delta(0, "text_delta", text="x")], "malformed"),
    "a delta after its block": ([start(), *TEXT, delta(0, "text_delta", text="x")], "malformed"),
    "a start without a message": ([{"type": "message_start"}], "malformed"),
    "a block without a kind": ([start(), begun(0, {})], "malformed"),
    "a block event without an index": ([start(), {"type": "content_block_start", "content_block": TOOL}], "malformed"),
    "a call without a name": ([start(), begun(0, {"type": "tool_use", "id": "t"})], "malformed"),
    "no finish": ([start(), *TEXT, finish(None), END], "cut"),
    "a blank finish": ([start(), *TEXT, finish(""), END], "cut"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_valid_stream_is_an_error_of_its_kind(name: str) -> None:
    stream, kind = BROKEN[name]
    with pytest.raises(ProviderError) as caught:
        events(stream)
    assert caught.value.kind == kind


def test_a_second_start_begins_no_second_answer() -> None:
    typed = events([start(), start(), *TEXT, finish(), END])
    assert sum(isinstance(each, AnswerStarted) for each in typed) == 1
    assert [each["type"] for each in written([AnswerStarted("a"), *typed])].count("message_start") == 1


def test_what_follows_the_end_is_ignored() -> None:
    assert only([start(), *TEXT, finish(), END, *TEXT]).parts == (Text("Hello"),)


@pytest.mark.parametrize(
    ("stream", "usage"),
    [
        ([start(), finish(), END], TokenUsage(33, 7, 20, 4)),
        ([start(), finish(input_tokens=0), END], TokenUsage(33, 7, 20, 4)),
        ([start(input_tokens=0), finish(input_tokens=11), END], TokenUsage(35, 7, 20, 4)),
        ([start(), finish(input_tokens=10**18), END], TokenUsage(2**40 + 24, 7, 20, 4)),
        ([start(), finish(output_tokens=-1), END], TokenUsage(33, 1, 20, 4)),
    ],
)
def test_usage_is_put_together_of_both_reports(stream: list[Json], usage: TokenUsage) -> None:
    reports = [each.usage for each in events(stream) if isinstance(each, UsageReported)]
    assert reports[-1] == usage


def test_a_stream_without_usage_reports_none() -> None:
    bare = [{"type": "message_start", "message": {"id": "m"}}, *TEXT, {**finish(), "usage": None}, END]
    assert not [each for each in events(bare) if isinstance(each, UsageReported)]


# What other dialects' answers become.


def answered(*typed: AnswerEvent, reason: StopReason = "end") -> list[AnswerEvent]:
    return [AnswerStarted("chatcmpl-1", "m"), *typed, ChoiceEnded(reason), AnswerEnded()]


def call(part: int, call_id: str) -> PartStarted:
    return PartStarted(part, "tool_call", call_id=call_id, name="look")


def blocks(stream: Iterable[Json]) -> list[tuple[str, str]]:
    """Return each block's kind and what its deltas add up to."""
    found: list[tuple[str, str]] = []
    for each in stream:
        if each["type"] == "content_block_start":
            found.append((each["content_block"].get("id", each["content_block"]["type"]), ""))
        elif each["type"] == "content_block_delta":
            text = "".join(value for name, value in each["delta"].items() if name != "type")
            found[-1] = (found[-1][0], found[-1][1] + text)
    return found


def test_calls_whose_deltas_interleave_become_blocks_that_follow_each_other() -> None:
    typed = answered(
        call(0, "a"),
        call(1, "b"),
        ArgumentsDelta(0, '{"x":'),
        ArgumentsDelta(1, '{"y":'),
        ArgumentsDelta(0, "1}"),
        ArgumentsDelta(1, "2}"),
        PartEnded(1),
        PartEnded(0),
        reason="tool_calls",
    )
    again = written(typed)
    check_order(again)
    assert blocks(again) == [("a", '{"x":1}'), ("b", '{"y":2}')]
    assert again[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_call_is_told_as_such_even_if_its_provider_called_it_an_end() -> None:
    again = written(answered(call(0, "a"), ArgumentsDelta(0, "{}"), PartEnded(0), reason="end"))
    assert again[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_text_part_without_words_is_no_block() -> None:
    again = written(answered(PartStarted(0, "text"), TextDelta(0, ""), PartEnded(0), call(1, "a"), PartEnded(1), reason="tool_calls"))
    check_order(again)
    assert blocks(again) == [("a", "")]


def test_a_part_that_never_ended_is_closed_by_its_choices_end() -> None:
    again = written(answered(PartStarted(0, "text"), TextDelta(0, "Hi")))
    check_order(again)
    assert blocks(again) == [("text", "Hi")]


def test_only_the_first_choice_is_written() -> None:
    typed = answered(PartStarted(0, "text", choice=1), TextDelta(0, "no", choice=1), PartStarted(0, "text"), TextDelta(0, "yes"))
    assert blocks(written(typed)) == [("text", "yes")]


def test_thinking_that_is_sealed_after_its_words_is_a_block_of_its_own() -> None:
    again = written(
        answered(PartStarted(0, "thinking"), TextDelta(0, "hm"), SignatureDelta(0, "s"), SignatureDelta(0, sealed="x"), PartEnded(0))
    )
    check_order(again)
    assert blocks(again) == [("thinking", "hms"), ("redacted_thinking", "")]


def test_a_custom_tools_text_is_written_as_an_object() -> None:
    typed: list[AnswerEvent] = [
        PartStarted(0, "tool_call", call_id="c", name="sh", tool="custom"),
        ArgumentsDelta(0, 'echo "a"\n'),
        ArgumentsDelta(0, "é\t"),
        PartEnded(0),
    ]
    ((_, text),) = blocks(written(answered(*typed, reason="tool_calls")))
    assert json.loads(text) == {"input": 'echo "a"\né\t'}


def test_a_refusal_is_text_and_told_as_the_reason() -> None:
    again = written(answered(PartStarted(0, "refusal"), TextDelta(0, "No."), PartEnded(0)))
    assert blocks(again) == [("text", "No.")]
    assert again[-2]["delta"]["stop_reason"] == "refusal"


def test_parts_of_another_dialects_own_are_no_blocks() -> None:
    opaque = PartStarted(0, "opaque", opaque=Opaque("responses", "compaction", {"type": "compaction"}))
    assert blocks(written(answered(opaque, PartEnded(0)))) == []


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("tool_calls", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("refusal", "refusal"),
        ("content_filter", "refusal"),
        ("pause", "pause_turn"),
        ("context_full", "model_context_window_exceeded"),
    ],
)
def test_every_reason_has_its_word(reason: StopReason, word: str) -> None:
    typed = answered(PartStarted(0, "text"), TextDelta(0, "x"), PartEnded(0), reason=reason)
    assert written(typed)[-2]["delta"]["stop_reason"] == word


def test_the_start_tells_the_prompts_tokens_and_the_end_what_was_charged() -> None:
    stream = written(answered(), TokenUsage(30, 5, 10, 2), input_tokens=40, cost_usd=0.5)
    assert stream[0]["message"]["usage"]["input_tokens"] == 40
    assert stream[-2]["usage"] == {
        "input_tokens": 18,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 10,
        "output_tokens": 5,
        "cost_usd": 0.5,
    }


def test_ids_take_this_dialects_form() -> None:
    assert written([AnswerStarted("chatcmpl-7"), ChoiceEnded("end")])[0]["message"]["id"] == "chatcmpl-7"
    assert written([AnswerStarted("msg_7"), ChoiceEnded("end")])[0]["message"]["id"] == "msg_7"
    assert written([ChoiceEnded("end")])[0]["message"]["id"].startswith("msg_")
    ((name, _),) = blocks(written(answered(call(0, "call:1.2"), PartEnded(0))))
    assert name == "call_1_2"
