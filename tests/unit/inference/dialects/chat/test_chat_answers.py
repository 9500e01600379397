"""Whole Chat Completions answers: JSON to a typed answer and back, in the forms that servers really send."""

from __future__ import annotations

from typing import Any

import pytest

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerChoice, WholeAnswer
from app.inference.conversation import Conversation, Part, RefusalText, Text, Thinking, ToolDefinition, ToolInvocation
from app.inference.dialects.chat import CHAT
from app.inference.provider_errors import ProviderError

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}
CALL = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
CALLED = ToolInvocation("call_a", "weather", '{"city": "Oslo"}')


def answer(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_764_000_000, "model": "m-1", "choices": [choice], **more}


@pytest.mark.parametrize(
    ("message", "parts", "finish", "reason"),
    [
        ({"role": "assistant", "content": "Yes.", "refusal": None}, (Text("Yes."),), "stop", "end"),
        ({"role": "assistant", "content": "Ye"}, (Text("Ye"),), "length", "max_tokens"),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]}, (CALLED,), "tool_calls", "tool_calls"),
        ({"role": "assistant", "content": "I look.", "tool_calls": [CALL]}, (Text("I look."), CALLED), "stop", "tool_calls"),
        ({"role": "assistant", "content": "Ye", "tool_calls": [CALL]}, (Text("Ye"), CALLED), "length", "max_tokens"),
        ({"role": "assistant", "content": "Yes.", "tool_calls": []}, (Text("Yes."),), "tool_calls", "end"),
        ({"role": "assistant", "content": None, "refusal": "No."}, (RefusalText("No."),), "stop", "end"),
        ({"role": "assistant", "content": ""}, (), "stop", "end"),
        ({"role": "assistant", "content": None}, (), "content_filter", "content_filter"),
        ({"content": "Yes."}, (Text("Yes."),), "eos", "end"),
        ({"content": "Yes."}, (Text("Yes."),), None, "end"),
        ({"content": "Yes.", "reasoning_content": "hm"}, (Thinking("hm"), Text("Yes.")), "stop", "end"),
        ({"content": "Yes.", "reasoning": "hm"}, (Thinking("hm"), Text("Yes.")), "stop", "end"),
        (
            {
                "content": "Yes.",
                "reasoning_content": "hm",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "sealed"},
                    "nonsense",
                ],
            },
            (Thinking("hm", signature="sig"), Thinking("", sealed="sealed"), Text("Yes.")),
            "stop",
            "end",
        ),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes."}]},
            (Thinking("hm"), Text("Yes.")),
            "stop",
            "end",
        ),
        (
            {"content": None, "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
            (ToolInvocation("c", "sh", "ls", "custom"),),
            "tool_calls",
            "tool_calls",
        ),
        (
            {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
            (ToolInvocation("c", "f", '{"a":1}'),),
            "tool_calls",
            "tool_calls",
        ),
        (
            {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]},
            (ToolInvocation("c", "f", "{}"),),
            "tool_calls",
            "tool_calls",
        ),
    ],
)
def test_a_message_reads_as_its_parts(message: dict[str, Any], parts: tuple[Part, ...], finish: str | None, reason: str) -> None:
    assert CHAT.read_answer(answer(message, finish)).choices == (AnswerChoice(parts, reason),)  # type: ignore[arg-type]


def test_what_stands_around_the_choices_is_read() -> None:
    found = CHAT.read_answer(answer({"content": "Yes."}, usage=USAGE))
    assert (found.id, found.model, found.created) == ("chatcmpl-1", "m-1", 1_764_000_000)
    assert found.usage == TokenUsage(input=9, output=3, cached_input=4)


def test_each_choice_is_read() -> None:
    body = answer({"content": "a"})
    body["choices"].append({"index": 1, "message": {"content": "b"}, "finish_reason": "length"})
    assert [(each.parts, each.reason) for each in CHAT.read_answer(body).choices] == [((Text("a"),), "end"), ((Text("b"),), "max_tokens")]


def test_calls_without_an_id_get_one_each() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"id": "", "function": {"name": "f", "arguments": "{}"}}]
    ids = [part.id for part in CHAT.read_answer(answer({"tool_calls": calls})).choices[0].parts if isinstance(part, ToolInvocation)]
    assert len(set(ids)) == 2
    assert all(each.startswith("call_") for each in ids)
    other = answer({"tool_calls": calls}) | {"id": "chatcmpl-2"}
    again = [part.id for part in CHAT.read_answer(other).choices[0].parts if isinstance(part, ToolInvocation)]
    assert not set(ids) & set(again)


def test_the_older_form_of_a_call_is_read() -> None:
    found = CHAT.read_answer(answer({"content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}, "function_call"))
    (part,) = found.choices[0].parts
    assert isinstance(part, ToolInvocation)
    assert (part.name, part.arguments, found.choices[0].reason) == ("f", '{"a":1}', "tool_calls")


def test_a_custom_tool_sent_as_function_is_unwrapped_and_others_are_not() -> None:
    asked = Conversation("auto", (), (ToolDefinition("sh", kind="custom"), ToolDefinition("f")))
    calls = [{"id": name, "function": {"name": name, "arguments": '{"input": "ls\\n"}'}} for name in ("sh", "f")]
    assert CHAT.read_answer(answer({"tool_calls": calls}), asked).choices[0].parts == (
        ToolInvocation("sh", "sh", "ls\n", "custom"),
        ToolInvocation("f", "f", '{"input": "ls\\n"}'),
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no", "code": 429}}, "rate_limited"),
        ({}, "malformed"),
        ({"choices": "x"}, "malformed"),
        ({"choices": [5]}, "malformed"),
        ({"choices": [{"finish_reason": "stop"}]}, "malformed"),
        ({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}}]}, "malformed"),
        ([], "malformed"),
    ],
)
def test_what_is_no_answer_is_a_providers_error(body: Any, kind: str) -> None:
    with pytest.raises(ProviderError) as raised:
        CHAT.read_answer(body)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 3}, "free", {"prompt_tokens": 0, "completion_tokens": 0}]
)
def test_an_absent_or_invalid_usage_is_none(usage: Any) -> None:
    assert CHAT.read_answer(answer({"content": "Yes."}, usage=usage)).usage is None


def test_an_answer_is_written_with_its_usage_and_cost() -> None:
    parts: tuple[Part, ...] = (Thinking("hm", signature="sig"), Thinking("", sealed="s"), Text("I "), Text("look."), CALLED)
    made = CHAT.write_answer(
        WholeAnswer((AnswerChoice(parts, "tool_calls"),), "a", "m", 5, TokenUsage(input=9, output=3, cached_input=4)),
        extra={"cost_usd": 0.5},
    )
    message = {
        "role": "assistant",
        "content": "I look.",
        "refusal": None,
        "reasoning_content": "hm",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "s"},
        ],
        "tool_calls": [CALL],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    assert made == {
        "id": "a",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [choice],
        "usage": {**USAGE, "cost_usd": 0.5},
    }


def test_a_custom_call_is_written_as_such() -> None:
    made = CHAT.write_answer(WholeAnswer((AnswerChoice((ToolInvocation("c", "sh", "ls", "custom"),), "tool_calls"),)), extra={})
    assert made["choices"][0]["message"]["tool_calls"] == [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end", "stop"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
        ("content_filter", "content_filter"),
        ("pause", "stop"),
        ("context_full", "length"),
    ],
)
def test_each_reason_has_a_finish(reason: Any, finish: str) -> None:
    made = CHAT.write_answer(WholeAnswer((AnswerChoice((), reason),)), extra={})
    assert made["choices"][0]["finish_reason"] == finish
    assert made["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}
    assert "usage" not in made
