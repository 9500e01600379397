"""What is an answer, whole or in chunks, and what it used. Whatever a provider sends is one, or a Fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import Usage
from app.inference import answers
from app.inference.answers import Produced
from app.inference.faults import Fault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "tool_calls", "finish_reason", "index", "usage", "error", "model", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
COUNTS = st.none() | st.integers(-5, 10_000) | st.booleans() | st.text(max_size=2)


def whole(content: object = "hi", finish: object = "stop", **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}], **more}


def piece(finish: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def taken(data: object) -> answers.Chunk:
    return answers.chunk(data, json.dumps(data).encode())


@given(data=JSON)
def test_anything_is_an_answer_or_a_fault(data: object) -> None:
    for read in (answers.completion, answers.chunk):
        try:
            read(data, b"raw")
        except Fault as fault:
            assert fault.message
    answers.usage(data)


@given(raw=st.binary(max_size=60))
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    try:
        answers.decoded(raw)
    except Fault as fault:
        assert (fault.kind, fault.unknown) == ("malformed", True)


def test_nesting_without_end_is_malformed() -> None:
    with pytest.raises(Fault):
        answers.decoded(b"[" * 100_000)


@pytest.mark.parametrize(
    "said", [{"tool_calls": [{"id": "1"}]}, {"reasoning_content": "hm"}, {"refusal": "no"}, {"function_call": {"name": "f"}}]
)
def test_an_answer_needs_no_text(said: dict[str, Any]) -> None:
    found = answers.completion({"choices": [{"message": {"content": None, **said}, "finish_reason": "stop"}]}, b"raw")
    assert found.raw == b"raw"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ([], "malformed"),
        ("hi", "malformed"),
        ({}, "empty"),
        ({"choices": []}, "empty"),
        ({"choices": {}}, "empty"),
        ({"choices": [{}]}, "malformed"),
        ({"choices": ["hi"]}, "malformed"),
        (whole(""), "empty"),
        (whole(None), "empty"),
        (whole("", None), "empty"),
        (whole(error={"message": "overloaded", "code": 503}), "server_error"),
        (whole(error="something"), "server_error"),
        (whole(error={"message": "x", "code": "context_length_exceeded", "status": 400}), "context_too_long"),
    ],
)
def test_what_is_no_answer_is_a_fault(data: object, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        answers.completion(data, b"")
    assert caught.value.kind == kind


@pytest.mark.parametrize("finish", ["length", "content_filter", "tool_calls"])
def test_nothing_with_a_reason_is_an_answer(finish: str) -> None:
    assert answers.completion(whole("", finish), b"").text == ""


def test_an_empty_answer_says_what_it_used() -> None:
    with pytest.raises(Fault) as caught:
        answers.completion(whole("", usage={"prompt_tokens": 3, "completion_tokens": 2}), b"")
    assert caught.value.usage == Usage(3, 2)
    assert caught.value.unknown


@pytest.mark.parametrize("name", ["", "x" * 201, "new\nline", "größe", 7, None])
def test_a_models_name_is_one(name: object) -> None:
    assert answers.model({"model": name}) is None
    assert answers.model({"model": "gpt-4o-mini"}) == "gpt-4o-mini"


# --- usage


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}, Usage(3, 5)),
        ({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 20}, Usage(3, 17)),  # thoughts that only the total holds
        ({"prompt_tokens": 3, "total_tokens": 8}, Usage(3, 5)),
        ({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 60}}, Usage(100, 1, 60)),
        ({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 600}}, Usage(100, 1, 100)),
        (
            {"prompt_tokens": 100, "completion_tokens": 1, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30},
            Usage(100, 1, 60, 30),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 1, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 300},
            Usage(100, 1, 60, 40),
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": None, "completion_tokens": 1}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": 2**50, "completion_tokens": 1}, None),
        ({"prompt_tokens": 3}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage(given: object, read: Usage | None) -> None:
    assert answers.usage(given) == read


@given(prompt=COUNTS, produced=COUNTS, total=COUNTS, cached=COUNTS, written=COUNTS)
def test_the_parts_of_a_usage_never_exceed_it(prompt: object, produced: object, total: object, cached: object, written: object) -> None:
    found = answers.usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": produced,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "cache_creation_input_tokens": written,
        }
    )
    if found is not None:
        assert min(found.input, found.output, found.cached_input, found.cache_write) >= 0
        assert found.cached_input + found.cache_write <= found.input
        assert found.total > 0


# --- chunks


def test_a_text_is_plain() -> None:
    made = taken(piece(content="hi"))
    assert (made.text, made.said, made.plain, made.finish) == ("hi", True, True, None)


@pytest.mark.parametrize(
    "data",
    [
        piece(tool_calls=[{"index": 0}]),
        piece(reasoning_content="hm"),
        piece(content="second", index=1),
        {"choices": [{"index": 0, "delta": {"content": "hi"}, "logprobs": {"content": []}}]},
    ],
)
def test_other_things_are_not_plain(data: dict[str, Any]) -> None:
    made = taken(data)
    assert made.said
    assert not made.plain


@pytest.mark.parametrize("data", [piece(role="assistant", content=""), piece(), {"choices": []}, {"choices": None}, {}])
def test_a_chunk_may_say_nothing(data: dict[str, Any]) -> None:
    made = taken(data)
    assert not made.said
    assert made.plain
    assert made.finish is None


@pytest.mark.parametrize("data", [[], "hi", 7, {"choices": 7}, {"choices": "hi"}, {"choices": [7]}])
def test_what_is_no_chunk_is_malformed(data: object) -> None:
    with pytest.raises(Fault) as caught:
        taken(data)
    assert caught.value.kind == "malformed"


@given(texts=st.lists(st.text(max_size=5), max_size=8))
def test_produced_is_the_sum_of_its_chunks(texts: list[str]) -> None:
    produced = Produced()
    for text in texts:
        produced.add(taken(piece(content=text)))
    produced.add(taken(piece("stop")))
    produced.add(taken({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}))
    assert produced.text == "".join(texts)
    assert (produced.finish, produced.usage, produced.plain) == ("stop", Usage(1, 2), True)
    assert produced.said == any(texts)


@pytest.mark.parametrize(("finish", "said", "kind"), [(None, True, "cut"), (None, False, "cut"), ("stop", False, "empty")])
def test_a_stream_must_have_an_end_and_something_in_it(finish: str | None, said: bool, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        answers.check_end(finish, said=said)
    assert (caught.value.kind, caught.value.unknown) == (kind, True)


@pytest.mark.parametrize(("finish", "said"), [("stop", True), ("length", False), ("content_filter", False), ("tool_calls", True)])
def test_a_stream_that_ended(finish: str, said: bool) -> None:
    answers.check_end(finish, said=said)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "hi"}, "hi"),
        ({"content": [{"type": "text", "text": "hi"}]}, "hi"),
        (
            {
                "content": None,
                "tool_calls": [{"id": "call_9", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}],
            },
            "f{}",
        ),
        ({"content": "so", "function_call": {"name": "g", "arguments": '{"a": 1}'}}, 'sog{"a": 1}'),
        ({"content": "x", "reasoning_content": "hm", "reasoning": "hm"}, "xhm"),
        ({"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s" * 99, "format": "v1"}]}, "xhm"),
        ({"content": None, "tool_calls": [{"type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}]}, "patch*** Begin"),
        ({"content": None, "refusal": "no"}, "no"),
    ],
)
def test_what_the_model_wrote_is_counted_and_not_the_json_around_it(message: dict[str, Any], text: str) -> None:
    found = answers.completion({"choices": [{"message": message, "finish_reason": "stop"}]}, b"")
    assert found.text == text
    assert taken(piece(**message)).text == text


def test_a_chunk_reaches_the_caller_without_the_providers_usage() -> None:
    bare = taken(piece(content="hi"))
    assert answers.unbilled(bare) is bare.raw
    billed = {**piece(content="hi"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert json.loads(answers.unbilled(taken(billed))) == piece(content="hi")
    inside = piece(content="hi")
    inside["choices"][0]["usage"] = {"prompt_tokens": 1}
    assert json.loads(answers.unbilled(taken(inside))) == piece(content="hi")


def test_a_whole_answer_is_cut_choice_by_choice() -> None:
    calls = [{"id": "call_long_name", "type": "function", "function": {"name": "f", "arguments": "abcdef"}}]
    data = {
        "choices": [
            {"message": {"content": "abcdef"}, "finish_reason": "stop"},
            {"message": {"tool_calls": calls}, "finish_reason": "stop"},
        ]
    }
    found = json.loads(answers.shortened(json.dumps(data).encode(), lambda text: text[:4]))
    assert [each["finish_reason"] for each in found["choices"]] == ["length", "length"]
    assert found["choices"][0]["message"]["content"] == "abcd"
    assert found["choices"][1]["message"]["tool_calls"] == [
        {"id": "call_long_name", "type": "function", "function": {"name": "f", "arguments": "abcd"}}
    ]
    untouched = json.loads(answers.shortened(json.dumps(data).encode(), lambda text: text))
    assert [each["finish_reason"] for each in untouched["choices"]] == ["stop", "stop"]
