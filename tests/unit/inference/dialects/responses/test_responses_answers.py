"""Whole Responses answers: read from a provider in the shapes that servers send, and written to a caller."""

from __future__ import annotations

from typing import Any

import pytest

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
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

Json = dict[str, Any]
MESSAGE: Json = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{ "x": 1 }', "status": "completed"}
PATCH: Json = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"}
THOUGHT: Json = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
}
SEARCH: Json = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
USAGE: Json = {
    "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 12,
}  # fmt: skip


def body(*output: Json, **more: Any) -> Json:
    return {
        "id": "resp_1", "object": "response", "created_at": 5, "model": "m-1", "status": "completed", "output": list(output),
        "usage": USAGE, "error": None, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "parts", "reason"),
    [
        (body(MESSAGE), (Text("Hi"),), "end"),
        (body(), (), "end"),
        (body(MESSAGE, CALL, PATCH), (Text("Hi"), ToolInvocation("call_1", "look", '{ "x": 1 }'), ToolInvocation("call_2", "apply_patch", "*** Begin", "custom")), "tool_calls"),
        (body({**CALL, "arguments": ""}), (ToolInvocation("call_1", "look", "{}"),), "tool_calls"),
        (body({**CALL, "namespace": "agents"}), (ToolInvocation("call_1", "agents__look", '{ "x": 1 }'),), "tool_calls"),
        (body(THOUGHT, MESSAGE), (Thinking("a\n\nb"), Text("Hi")), "end"),
        (body({**THOUGHT, "encrypted_content": "s=="}), (Thinking("a\n\nb", sealed="s==", id="rs_1"),), "end"),
        (body({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "w"}]}), (Thinking("w"),), "end"),
        (body({**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}), (RefusalText("No."),), "end"),
        (body(SEARCH, MESSAGE), (Opaque("responses", "web_search_call", SEARCH), Text("Hi")), "end"),
        (body(MESSAGE, status="incomplete", incomplete_details={"reason": "max_output_tokens"}), (Text("Hi"),), "max_tokens"),
        (body(MESSAGE, status="incomplete", incomplete_details={"reason": "content_filter"}), (Text("Hi"),), "content_filter"),
        (body(MESSAGE, status="incomplete"), (Text("Hi"),), "max_tokens"),
    ],
)  # fmt: skip
def test_an_answer_is_read(given: Json, parts: tuple[Part, ...], reason: StopReason) -> None:
    usage = TokenUsage(input=9, output=3, cached_input=4)
    assert RESPONSES.read_answer(given) == WholeAnswer((AnswerChoice(parts, reason),), "resp_1", "m-1", 5, usage)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -1, "output_tokens": 3}, "much"])
def test_an_absent_or_absurd_usage_is_none(usage: Any) -> None:
    assert RESPONSES.read_answer(body(MESSAGE, usage=usage)).usage is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([], "malformed"),
        ({"id": "x"}, "malformed"),
        (body(1), "malformed"),  # type: ignore[arg-type]
        (body({**CALL, "name": ""}), "malformed"),
        (body(status="in_progress"), "cut"),
        (body(status="failed", error={"code": "server_error", "message": "oops"}), "server_error"),
        (body(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), "rate_limited"),
        ({"error": {"message": "bad", "code": 400}}, "caller"),
        ({"error": "bad"}, "server_error"),
    ],
)
def test_what_is_no_answer_is_a_failure_of_the_providers(given: Any, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        RESPONSES.read_answer(given)
    assert caught.value.kind == kind


def test_an_answer_is_written_with_its_items_and_the_requests_options() -> None:
    asked = Conversation("auto", (), (ToolDefinition("agents__look", namespace=ToolNamespace("agents", "look")),))
    parts = (
        Thinking("hm", "sig"),
        Text("Hi"),
        ToolInvocation("a", "agents__look", "{}"),
        ToolInvocation("b", "p", "x", "custom"),
        RefusalText("No."),
    )
    answer = WholeAnswer((AnswerChoice(parts, "tool_calls"),), "chatcmpl-1", "m", 5, TokenUsage(9, 3, 4, 1))
    made = RESPONSES.write_answer(answer, extra={"cost_usd": 0.5}, asked=asked)
    assert (made["id"], made["object"], made["status"], made["created_at"], made["store"]) == (
        "resp_chatcmpl-1",
        "response",
        "completed",
        5,
        False,
    )
    assert [(item["type"], item["id"].split("_")[0]) for item in made["output"]] == [
        ("reasoning", "rs"), ("message", "msg"), ("function_call", "fc"), ("custom_tool_call", "ctc"), ("message", "msg"),
    ]  # fmt: skip
    assert len({item["id"] for item in made["output"]}) == 5
    assert made["output"][2] | {"id": ""} == {
        "id": "", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "a", "name": "look", "namespace": "agents",
    }  # fmt: skip
    assert made["usage"]["input_tokens_details"] == {"cached_tokens": 4, "cache_write_tokens": 1}
    assert (made["usage"]["total_tokens"], made["usage"]["cost_usd"]) == (12, 0.5)


@pytest.mark.parametrize(
    ("reason", "parts", "status", "why"),
    [
        ("end", (Text("x"),), "completed", None),
        ("stop_sequence", (Text("x"),), "completed", None),
        ("max_tokens", (Text("x"),), "incomplete", "max_output_tokens"),
        ("context_full", (), "incomplete", "max_output_tokens"),
        ("content_filter", (), "incomplete", "content_filter"),
        ("refusal", (), "incomplete", "content_filter"),
        ("refusal", (RefusalText("No."),), "completed", None),
        ("pause", (Text("x"),), "completed", None),
    ],
)
def test_the_reason_of_the_end_is_told(reason: StopReason, parts: tuple[Part, ...], status: str, why: str | None) -> None:
    made = RESPONSES.write_answer(WholeAnswer((AnswerChoice(parts, reason),)), extra={})
    assert (made["status"], made["incomplete_details"]) == (status, None if why is None else {"reason": why})
    assert made["usage"] is None
