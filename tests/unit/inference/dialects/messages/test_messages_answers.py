"""Whole Messages answers: JSON to typed and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import Conversation, Opaque, Part, RefusalText, Text, Thinking, ToolDefinition, ToolInvocation
from app.inference.dialects.chat import CHAT
from app.inference.dialects.messages import MESSAGES
from app.inference.provider_errors import ProviderError

Json = dict[str, Any]
ASKED = Conversation("auto", (), (ToolDefinition("sh", kind="custom"),))
USAGE = {"input_tokens": 9, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 20, "output_tokens": 7}


def answer(*content: Json, reason: str | None = "end_turn", **more: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": list(content)}
    return {**head, "stop_reason": reason, "stop_sequence": None, "usage": USAGE, **more}


ANSWERS: dict[str, tuple[Json, tuple[Part, ...], StopReason]] = {
    "text": (answer({"type": "text", "text": "Hi"}), (Text("Hi"),), "end"),
    "nothing": (answer(), (), "end"),
    "thinking": (
        answer(
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "a"},
        ),
        (Thinking("hm", "s"), Thinking("", sealed="d"), Text("a")),
        "end",
    ),
    "parallel calls": (
        answer(
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, {"y": "é"}]}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {}},
            reason="tool_use",
        ),
        (ToolInvocation("a", "f", '{"x":[1,{"y":"é"}]}'), ToolInvocation("b", "f", "{}")),
        "tool_calls",
    ),
    "a custom tool's call": (
        answer({"type": "tool_use", "id": "a", "name": "sh", "input": {"input": "ls\n"}}, reason="tool_use"),
        (ToolInvocation("a", "sh", "ls\n", "custom"),),
        "tool_calls",
    ),
    "a hosted tool's use": (
        answer({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}, reason="pause_turn"),
        (Opaque("messages", "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}),),
        "pause",
    ),
    "a full window": (answer({"type": "text", "text": "x"}, reason="model_context_window_exceeded"), (Text("x"),), "context_full"),
    "a refusal": (answer(reason="refusal"), (), "refusal"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_and_written_again(name: str) -> None:
    body, parts, reason = ANSWERS[name]
    read = MESSAGES.read_answer(body, ASKED)
    assert read == WholeAnswer((AnswerChoice(parts, reason),), "msg_1", "m-1", None, TokenUsage(33, 7, 20, 4))
    assert MESSAGES.write_answer(read, extra={}) == body


def test_the_sequence_that_stopped_it_is_told() -> None:
    body = answer({"type": "text", "text": "x"}, reason="stop_sequence", stop_sequence="END")
    read = MESSAGES.read_answer(body)
    assert read.choices[0].stop_sequence == "END"
    assert MESSAGES.write_answer(read, extra={}) == body


@pytest.mark.parametrize(
    "more",
    [
        {"context_management": {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 3}]}},
        {"container": {"id": "c_1", "expires_at": "2026-01-01T00:00:00Z"}},
        {"unheard_of": 5},
    ],
)
def test_what_only_this_dialect_tells_of_an_end_is_kept_there_and_left_out_elsewhere(more: Json) -> None:
    body = answer({"type": "text", "text": "x"}, **more)
    read = MESSAGES.read_answer(body)
    assert MESSAGES.write_answer(read, extra={}) == body
    assert more.keys().isdisjoint(CHAT.write_answer(read, extra={}))
    foreign = replace(read.choices[0], own=Opaque("responses", "end", {"status": "x"}))
    assert "status" not in MESSAGES.write_answer(replace(read, choices=(foreign,)), extra={})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 5 tokens"}}, "context_too_long"),
        ({"type": "error", "error": {"type": "authentication_error", "message": "no"}}, "key"),
        ({"type": "error", "error": {"type": "billing_error", "message": "no"}}, "quota"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "server_error"),
        ({"type": "error", "error": "odd"}, "server_error"),
        ({}, "malformed"),
        ({"content": "text"}, "malformed"),
        ({"content": ["text"]}, "malformed"),
        (answer({"type": "tool_use", "name": "f", "input": {}}), "malformed"),
        (answer(reason=None), "cut"),
        (answer(reason=""), "cut"),
    ],
)
def test_what_is_no_answer_is_an_error_of_its_kind(body: Json, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        MESSAGES.read_answer(body)
    assert caught.value.kind == kind


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -1, "output_tokens": 2}, {"input_tokens": "9"}, "odd"])
def test_a_usage_that_is_none_is_read_as_none(usage: Any) -> None:
    assert MESSAGES.read_answer(answer(usage=usage)).usage is None


def written(*parts: Part, reason: StopReason = "end", usage: TokenUsage | None = None, **extra: Any) -> Json:
    return MESSAGES.write_answer(WholeAnswer((AnswerChoice(parts, reason),), "chatcmpl-1", "m", 5, usage), extra=extra)


def test_another_dialects_answer_takes_this_form() -> None:
    made = written(Text(""), Text("Hi"), ToolInvocation("a:1", "f", '{"x":1}'), usage=TokenUsage(9, 2), cost_usd=0.25)
    assert made["content"] == [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "a_1", "name": "f", "input": {"x": 1}}]
    assert (made["id"], made["stop_reason"]) == ("chatcmpl-1", "tool_use")
    assert made["usage"] == {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 2,
        "cost_usd": 0.25,
    }


def test_a_refusal_in_words_is_told_as_the_reason() -> None:
    made = written(RefusalText("No."))
    assert (made["content"], made["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")


@pytest.mark.parametrize(("arguments", "given"), [("", {}), ('{"x":', {"_raw": '{"x":'}), ("[]", {"_raw": "[]"})])
def test_arguments_that_are_no_object_are_not_lost(arguments: str, given: Json) -> None:
    assert written(ToolInvocation("a", "f", arguments))["content"][0]["input"] == given
