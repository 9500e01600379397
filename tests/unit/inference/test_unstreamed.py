"""A whole answer where a stream was asked for reads like the stream that it should have been."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.budget.prices import TokenUsage
from app.inference.answers import Produced
from app.inference.provider_errors import ProviderError
from app.inference.wires import unstreamed

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CALLS = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("one", "two")]


def whole(*messages: dict[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    choices = [{"index": index, "message": message, "finish_reason": finish} for index, message in enumerate(messages)]
    return {"id": "1", "object": "chat.completion", "created": 5, "model": "m", "choices": choices, **more}


def joined(data: object) -> tuple[Produced, list[dict[str, Any]]]:
    produced, told = Produced(), []
    for chunk in unstreamed.chunks(data):
        produced.add(chunk)
        assert json.loads(chunk.raw) == chunk.data
        told.append(chunk.data)
    return produced, told


def test_a_text_comes_in_one_piece_then_its_finish_then_its_usage() -> None:
    produced, told = joined(whole({"role": "assistant", "content": "hi there", "refusal": None}, usage=USAGE))
    assert (produced.text, produced.finish, produced.finished, produced.plain) == ("hi there", "stop", {0}, True)
    assert (produced.usage, produced.model) == (TokenUsage(9, 3), "m")
    head = {"id": "1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    assert told == [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi there"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": USAGE},
    ]


def test_calls_of_tools_have_their_places() -> None:
    produced, told = joined(whole({"content": None, "tool_calls": CALLS}, finish="tool_calls"))
    delta = told[0]["choices"][0]["delta"]
    assert [(call["index"], call["function"]["name"]) for call in delta["tool_calls"]] == [(0, "one"), (1, "two")]
    assert (produced.finish, produced.plain, produced.usage) == ("tool_calls", False, None)


def test_each_choice_finishes() -> None:
    produced, told = joined(whole({"content": "a"}, {"content": "b"}, finish="length"))
    assert produced.finished == {0, 1}
    assert [each["choices"][0]["index"] for each in told] == [0, 0, 1, 1]


def test_an_empty_answer_finishes_and_a_usage_is_found_within_a_choice() -> None:
    data = whole({"content": ""})
    data["choices"][0]["usage"] = USAGE
    produced, _ = joined(data)
    assert (produced.text, produced.finish, produced.usage) == ("", "stop", TokenUsage(9, 3))


@pytest.mark.parametrize("finish", [None, "", "null"])
def test_what_has_no_finish_gets_none(finish: str | None) -> None:
    assert joined(whole({"content": "hi"}, finish=finish))[0].finish is None


@pytest.mark.parametrize(
    "data", [[], "hi", {}, {"choices": []}, {"choices": [{}]}, whole({"content": None}, finish=None), {"error": {"message": "no"}}]
)
def test_what_is_no_completion_is_a_fault(data: object) -> None:
    with pytest.raises(ProviderError):
        list(unstreamed.chunks(data))


@pytest.mark.parametrize(
    ("event", "holds"),
    [
        (whole({"content": "a"}), True),
        (whole({"content": "a"}, {"content": "b"}), True),
        ({"choices": []}, False),
        ({"choices": [{"delta": {}}]}, False),
        ({"choices": [{"delta": {}, "message": {}}]}, False),
        ({"choices": [{"message": "a"}]}, False),
        ({"choices": [7]}, False),
        ({"choices": 7}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_whole_answer_has_messages(event: object, holds: bool) -> None:
    assert unstreamed.holds_whole(event) is holds
