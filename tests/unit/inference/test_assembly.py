"""A stream put together again is the answer that would have come whole."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from app.inference import answers
from app.inference.assembly import Assembly
from app.inference.wires import unstreamed

HEAD = {"id": "c-1", "created": 7, "model": "m-1", "service_tier": "default", "system_fingerprint": "fp"}


def assembled(*chunks: Any) -> Any:
    made = Assembly()
    for each in copy.deepcopy(chunks):
        made.add(answers.chunk(each, msgspec.json.encode(each)))
    return msgspec.json.decode(made.body())


def chunk(delta: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {**HEAD, "object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}]}


def whole(*choices: Any, **more: Any) -> dict[str, Any]:
    found = [{"index": at, **each} for at, each in enumerate(choices)]
    return {"object": "chat.completion", **HEAD, "choices": found, **more}


def test_text_usage_and_unknown_fields_are_kept() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_time": 0.5}
    found = assembled(
        chunk({"role": "assistant", "content": "", "refusal": None}) | {"obfuscation": "xx"},
        chunk({"content": "Hel"}),
        chunk({"content": "lo", "annotations": [{"type": "url_citation"}]}) | {"provider": "theirs"},
        chunk({}, "stop", native_finish_reason="end"),
        {**HEAD, "choices": [], "usage": usage},
    )
    message = {"role": "assistant", "content": "Hello", "refusal": None, "annotations": [{"type": "url_citation"}]}
    choice = {"message": message, "finish_reason": "stop", "native_finish_reason": "end"}
    assert found == whole(choice, provider="theirs", usage=usage)


def test_parallel_tool_calls_are_told_apart_by_their_index() -> None:
    def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
        function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
        return {"tool_calls": [{"index": index, "function": function, **more}]}

    found = assembled(
        chunk({"role": "assistant", "content": None}),
        chunk(call(0, "", id="a", type="function", name="look")),
        chunk(call(1, "", id="b", type="function", name="read")),
        chunk(call(0, '{"x":')),
        chunk(call(1, "{", id="b", name="read")),  # some repeat the names in every chunk
        chunk(call(0, "1}")),
        chunk(call(1, "}")),
        chunk({}, "tool_calls"),
    )
    calls = [
        {"function": {"arguments": '{"x":1}', "name": "look"}, "id": "a", "type": "function"},
        {"function": {"arguments": "{}", "name": "read"}, "id": "b", "type": "function"},
    ]
    assert found == whole({"message": {"role": "assistant", "content": None, "tool_calls": calls}, "finish_reason": "tool_calls"})


def test_choices_reasoning_refusals_and_log_probabilities_are_kept() -> None:
    def probable(token: str) -> dict[str, Any]:
        return {"logprobs": {"content": [{"token": token, "logprob": -0.5, "top_logprobs": []}], "refusal": None}}

    found = assembled(
        chunk({"role": "assistant", "content": "o"}, index=1, **probable("o")),
        chunk({"role": "assistant", "reasoning_content": "hm"}),
        chunk({"reasoning_content": "m", "refusal": "No"}),
        chunk({"content": "ne"}, index=1, **probable("ne")),
        chunk({"refusal": "pe"}, "stop"),
        chunk({}, "length", index=1, logprobs=None),
    )
    first, second = found["choices"]
    assert first["message"] == {"role": "assistant", "reasoning_content": "hmm", "refusal": "Nope", "content": None}
    assert (second["message"]["content"], second["finish_reason"]) == ("one", "length")
    assert [each["token"] for each in second["logprobs"]["content"]] == ["o", "ne"]


def test_an_empty_answer_that_stops_is_an_answer() -> None:
    found = assembled(chunk({"role": "assistant"}), chunk({}, "stop"))
    assert found["choices"] == [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "words"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ],
)
def test_a_whole_answer_where_a_stream_was_asked_for_stays_what_it_is(message: dict[str, Any]) -> None:
    sent = whole({"message": message, "finish_reason": "stop"}, usage={"prompt_tokens": 1, "completion_tokens": 2})
    made = Assembly()
    for each in unstreamed.chunks(sent):
        made.add(each)
    found = msgspec.json.decode(made.body())
    assert (found["choices"], found["usage"]) == (sent["choices"], sent["usage"])
