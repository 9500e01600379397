"""Responses streams: events to typed events and back, whole lives of items, in the forms that servers really send, cut off anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
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
from app.inference.conversation import (
    Conversation,
    Opaque,
    Part,
    RefusalText,
    Text,
    Thinking,
    ToolDefinition,
    ToolInvocation,
    ToolNamespace,
)
from app.inference.dialects.responses import RESPONSES
from app.inference.provider_errors import FailureKind, ProviderError
from tests.unit.inference.dialects.assembled import assembled

Json = dict[str, Any]
USAGE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
HEAD: Json = {"id": "resp_1", "object": "response", "created_at": 5, "model": "m-1", "status": "in_progress", "output": []}
CREATED: Json = {"type": "response.created", "response": HEAD}
MESSAGE: Json = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
SAID: Json = {**MESSAGE, "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}
CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": ""}
PATCH: Json = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "apply_patch", "input": ""}
THOUGHT: Json = {"type": "reasoning", "id": "rs_1", "summary": []}


def ended(*output: Json, kind: str = "completed", **more: Any) -> Json:
    return {"type": f"response.{kind}", "response": {**HEAD, "status": kind, "output": list(output), "usage": USAGE, **more}}


def added(index: int, item: Json) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: Json) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(index: int, name: str, text: str, **more: Any) -> Json:
    return {"type": f"response.{name}.delta", "output_index": index, "delta": text, **more}


TEXT = [
    added(0, MESSAGE), {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}},
    delta(0, "output_text", "Hel", content_index=0), delta(0, "output_text", "lo", content_index=0),
    {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}, done(0, SAID),
]  # fmt: skip
ARGUMENTS = "function_call_arguments"
LOOK_1, LOOK_2 = ToolInvocation("call_1", "look", '{ "x": 1 }'), ToolInvocation("call_9", "look", "{}")
STREAMS: dict[str, tuple[list[Json], tuple[Part, ...], StopReason]] = {
    "text": ([CREATED, {"type": "response.in_progress", "response": HEAD}, *TEXT, ended(SAID)], (Text("Hello"),), "end"),
    "an empty answer": ([CREATED, ended()], (), "end"),
    "unknown events": ([CREATED, {"type": "news"}, {"type": "keepalive"}, {}, *TEXT, ended()], (Text("Hello"),), "end"),
    "finished items only": ([CREATED, done(0, SAID), ended()], (Text("Hello"),), "end"),
    "the finished response only": ([ended(SAID, {**CALL, "arguments": '{ "x": 1 }'})], (Text("Hello"), LOOK_1), "tool_calls"),
    "deltas without an item": ([CREATED, *TEXT[2:4], ended()], (Text("Hello"),), "end"),
    "text whose last words are missing": ([CREATED, *TEXT[:3], done(0, SAID), ended()], (Text("Hello"),), "end"),
    "text cut at its bound": (
        [CREATED, *TEXT, ended(kind="incomplete", incomplete_details={"reason": "max_output_tokens"})], (Text("Hello"),), "max_tokens",
    ),
    "a refusal": (
        [CREATED, added(0, MESSAGE), delta(0, "refusal", "No."), done(0, {**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}), ended()],
        (RefusalText("No."),), "end",
    ),
    "parallel calls that interleave": (
        [
            CREATED, added(0, CALL), added(1, {**CALL, "call_id": "call_9"}), delta(0, ARGUMENTS, '{ "x"'), delta(1, ARGUMENTS, "{}"),
            delta(0, ARGUMENTS, ": 1 }"), done(1, {**CALL, "call_id": "call_9", "arguments": "{}"}), done(0, {**CALL, "arguments": '{ "x": 1 }'}),
            ended(),
        ],
        (LOOK_1, LOOK_2), "tool_calls",
    ),
    "a call without arguments": ([CREATED, added(0, CALL), done(0, CALL), ended()], (ToolInvocation("call_1", "look", "{}"),), "tool_calls"),
    "a call that is named at its end": (
        [CREATED, delta(0, ARGUMENTS, '{ "x"'), done(0, {**CALL, "arguments": '{ "x": 1 }'}), ended()], (LOOK_1,), "tool_calls",
    ),
    "a custom tool's call": (
        [
            CREATED, added(0, PATCH), delta(0, "custom_tool_call_input", "*** Be"), delta(0, "custom_tool_call_input", "gin"),
            done(0, {**PATCH, "input": "*** Begin"}), ended(),
        ],
        (ToolInvocation("call_2", "apply_patch", "*** Begin", "custom"),), "tool_calls",
    ),
    "a summary in two parts, sealed": (
        [
            CREATED, added(0, THOUGHT), delta(0, "reasoning_summary_text", "is it", summary_index=0),
            delta(0, "reasoning_summary_text", "warm", summary_index=1), delta(0, "reasoning_text", "the whole thought", content_index=0),
            done(0, {**THOUGHT, "summary": [{"text": "is it"}, {"text": "warm"}], "encrypted_content": "s=="}),
            *({**each, "output_index": 1} if "output_index" in each else each for each in TEXT), ended(),
        ],
        (Thinking("is it\n\nwarm", sealed="s==", id="rs_1"), Text("Hello")), "end",
    ),
    "a thought of which only the seal is told": (
        [CREATED, added(0, THOUGHT), done(0, {**THOUGHT, "encrypted_content": "s=="}), ended()], (Thinking("", sealed="s==", id="rs_1"),), "end",
    ),
    "a whole thought": (
        [CREATED, added(0, THOUGHT), delta(0, "reasoning_text", "w", content_index=0), done(0, THOUGHT), ended()], (Thinking("w"),), "end",
    ),
    "an empty thought": ([CREATED, added(0, THOUGHT), done(0, THOUGHT), *({**each, "output_index": 1} if "output_index" in each else each for each in TEXT), ended()], (Text("Hello"),), "end"),
    "a hosted tool's item": (
        [CREATED, done(0, {"type": "web_search_call", "id": "ws_1"}), ended()],
        (Opaque("responses", "web_search_call", {"type": "web_search_call", "id": "ws_1"}),), "end",
    ),
}  # fmt: skip


def events(stream: Iterable[Mapping[str, Any]]) -> list[AnswerEvent]:
    reader = RESPONSES.event_reader()
    return [*(event for each in stream for event in reader.feed(each)), *reader.end()]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_tells_its_answer(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    found = assembled(events(stream))
    assert found.choices == (AnswerChoice(parts, reason),)
    assert (found.id, found.model, found.created, found.usage) == ("resp_1", "m-1", 5, TokenUsage(input=9, output=3))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_cut_anywhere_is_broken(name: str) -> None:
    stream, _, _ = STREAMS[name]
    for length in range(len(stream)):
        with pytest.raises(ProviderError) as caught:
            events(stream[:length])
        assert (caught.value.kind, caught.value.unknown) == ("cut", True)


def test_what_follows_the_end_is_ignored() -> None:
    assert assembled(events([CREATED, *TEXT, ended(), *TEXT, ended()])).choices[0].parts == (Text("Hello"),)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, "rate_limited"),
        ({"type": "error", "message": "oops"}, "server_error"),
        ({"error": {"message": "oops", "code": 503}}, "server_error"),
        (
            {"type": "response.failed", "response": {"error": {"code": "context_length_exceeded", "message": "too long"}}},
            "context_too_long",
        ),
        ({"type": "response.failed", "response": {}}, "server_error"),
        ({"type": "response.completed"}, "malformed"),
        ({"type": "response.output_item.done", "output_index": 0}, "malformed"),
        ({"type": "response.output_text.delta", "delta": "x"}, "malformed"),
        (added(0, {**CALL, "name": ""}), "malformed"),
        ([], "malformed"),
    ],
)
def test_a_failure_within_a_stream_is_the_providers(event: Any, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        events([CREATED, event])
    assert caught.value.kind == kind


def test_arguments_of_a_call_without_a_name_are_malformed() -> None:
    with pytest.raises(ProviderError, match="without a name"):
        events([CREATED, delta(0, ARGUMENTS, "{}"), ended()])


# Written to a caller.


def written(typed: Iterable[AnswerEvent], asked: Conversation | None = None) -> list[Json]:
    """Write events, and check each server-sent event's form: its name is its type, its number the next."""
    writer = RESPONSES.event_writer(input_tokens=1, asked=asked)
    raw = b"".join([*(line for event in typed for line in writer.feed(event)), *writer.end(TokenUsage(9, 3), extra={"cost_usd": 0.5})])
    return checked(raw)


def checked(raw: bytes) -> list[Json]:
    found: list[Json] = []
    for event in raw.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        made = json.loads(data.removeprefix("data: "))
        assert name == f"event: {made['type']}"
        assert made.pop("sequence_number") == len(found)
        found.append(made)
    return found


def kinds(stream: Iterable[Json]) -> list[str]:
    return [each["type"].removeprefix("response.") for each in stream]


START = AnswerStarted("c-1", "m", 5)
END = ChoiceEnded("end")


def text(part: int, *pieces: str) -> list[AnswerEvent]:
    return [PartStarted(part, "text"), *(TextDelta(part, each) for each in pieces), PartEnded(part)]


def called(part: int, *pieces: str, name: str = "look", tool: Any = "function") -> list[AnswerEvent]:
    begun = PartStarted(part, "tool_call", call_id=f"call_{part}", name=name, tool=tool)
    return [begun, *(ArgumentsDelta(part, each) for each in pieces), PartEnded(part)]


def test_a_text_lives_its_whole_life() -> None:
    made = written([START, *text(0, "He", "llo"), END, UsageReported(TokenUsage(1, 1)), AnswerEnded()])
    assert kinds(made) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    last = made[-1]["response"]
    assert (last["id"], last["status"], last["usage"]["input_tokens"], last["usage"]["cost_usd"]) == ("resp_c-1", "completed", 9, 0.5)
    assert last["output"] == [made[-2]["item"]]
    assert {each.get("item_id", last["output"][0]["id"]) for each in made[3:8]} == {last["output"][0]["id"]}
    assert (made[2]["item"]["status"], made[8]["item"]["status"]) == ("in_progress", "completed")


def test_calls_that_interleave_are_written_one_after_the_other() -> None:
    first, second = called(0, '{"x"', ":1}"), called(1, "{}", name="apply_patch", tool="custom")
    made = written([START, first[0], second[0], first[1], second[1], second[2], first[2], first[3], ChoiceEnded("tool_calls")])
    assert kinds(made)[2:-1] == [
        "output_item.added", f"{ARGUMENTS}.delta", f"{ARGUMENTS}.delta", f"{ARGUMENTS}.done", "output_item.done",
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
    ]  # fmt: skip
    assert [each["output_index"] for each in made[2:-1]] == [0] * 5 + [1] * 4
    assert (made[5]["arguments"], made[9]["input"]) == ('{"x":1}', "{}")
    assert [item["call_id"] for item in made[-1]["response"]["output"]] == ["call_0", "call_1"]


def test_thinking_is_a_summary_with_its_proof_at_the_end() -> None:
    thought = [PartStarted(0, "thinking"), TextDelta(0, "hm"), SignatureDelta(0, "sig=="), PartEnded(0)]
    sealed = [PartStarted(1, "thinking"), SignatureDelta(1, sealed="data=="), PartEnded(1)]
    made = written([START, *thought, *sealed, *text(2, "Hi"), END])
    assert kinds(made)[2:10] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done",
        "reasoning_summary_part.done", "output_item.done", "output_item.added", "output_item.done",
    ]  # fmt: skip
    back = RESPONSES.read_answer(made[-1]["response"])
    assert back.choices[0].parts == (Thinking("hm", "sig=="), Thinking("", sealed="data=="), Text("Hi"))


def test_a_refusal_is_a_part_of_a_message() -> None:
    made = written([START, PartStarted(0, "refusal"), TextDelta(0, "No."), PartEnded(0), ChoiceEnded("refusal")])
    assert kinds(made)[3:7] == ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    assert (made[-1]["response"]["status"], made[5]["refusal"]) == ("completed", "No.")


def test_a_tool_of_a_namespace_is_told_as_such() -> None:
    asked = Conversation("auto", (), (ToolDefinition("agents__look", namespace=ToolNamespace("agents", "look")),))
    made = written([START, *called(0, "{}", name="agents__look"), ChoiceEnded("tool_calls")], asked)
    assert {(each["item"]["name"], each["item"]["namespace"]) for each in made if "item" in each} == {("look", "agents")}
    (finished,) = [each for each in made if each["type"].endswith("arguments.done")]
    assert finished["name"] == "look"


def test_an_item_of_this_dialect_is_passed_on_and_others_are_not() -> None:
    own = Opaque("responses", "compaction", {"type": "compaction", "id": "cmp_1"})
    other = Opaque("messages", "server_tool_use", {"type": "server_tool_use"})
    begun = [PartStarted(0, "opaque", opaque=own), PartEnded(0), PartStarted(1, "opaque", opaque=other), PartEnded(1)]
    made = written([START, *begun, END])
    assert kinds(made)[2:-1] == ["output_item.added", "output_item.done"]
    assert made[-1]["response"]["output"] == [dict(own.data)]


@pytest.mark.parametrize(
    ("reason", "kind"), [("max_tokens", "incomplete"), ("content_filter", "incomplete"), ("stop_sequence", "completed")]
)
def test_the_last_event_tells_the_reason(reason: StopReason, kind: str) -> None:
    assert kinds(written([START, *text(0, "x"), ChoiceEnded(reason)]))[-1] == kind


def test_nothing_empty_is_written_and_other_choices_are_not() -> None:
    more = [PartStarted(0, "text", 1), TextDelta(0, "other", 1), PartEnded(0, 1), ChoiceEnded("end", 1)]
    empty = [*text(0), PartStarted(1, "thinking"), PartEnded(1)]
    made = written([START, *empty, *more, END])
    assert (kinds(made), made[-1]["response"]["output"]) == (["created", "in_progress", "completed"], [])


def test_a_choice_that_never_ended_gets_no_end() -> None:
    writer = RESPONSES.event_writer(input_tokens=1)
    list(writer.feed(START))
    with pytest.raises(ProviderError, match="ended before the answer did"):
        list(writer.end(TokenUsage(), extra={}))


def test_a_failure_is_the_last_event_with_what_was_finished() -> None:
    writer = RESPONSES.event_writer(input_tokens=1)
    typed = [START, *text(0, "Hi"), PartStarted(1, "text"), TextDelta(1, "th")]
    made = checked(b"".join([*(raw for event in typed for raw in writer.feed(event)), *writer.failed("stream_broken", "It broke.")]))
    last = made[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"] == {"code": "stream_broken", "message": "It broke."}
    assert [item["content"][0]["text"] for item in last["response"]["output"]] == ["Hi"]
    assert kinds(checked(b"".join(RESPONSES.event_writer(input_tokens=1).failed("x", "y")))) == ["created", "in_progress", "failed"]


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_read_and_written_is_read_again(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    (again,) = assembled(events(written(events(stream)))).choices
    assert [replace(part, id="rs_1") if isinstance(part, Thinking) and part.id else part for part in again.parts] == list(parts)
    assert again.reason == reason
