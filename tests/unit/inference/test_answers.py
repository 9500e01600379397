"""What is an answer, whole or in chunks, and what it used. Whatever a provider sends is one, or a Fault."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.inference import answers
from app.inference.answers import Produced
from app.inference.provider_errors import ProviderError

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
        except ProviderError as fault:
            assert fault.message


@given(raw=st.binary(max_size=60))
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    try:
        answers.decoded(raw)
    except ProviderError as fault:
        assert (fault.kind, fault.unknown) == ("malformed", True)


def test_nesting_without_end_is_malformed() -> None:
    with pytest.raises(ProviderError):
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
        (whole("", None), "empty"),
        (whole("", ""), "empty"),
        (whole(None, "null"), "empty"),
        (whole(error={"message": "overloaded", "code": 503}), "server_error"),
        (whole(error="something"), "server_error"),
        (whole(error={"message": "x", "code": "context_length_exceeded", "status": 400}), "context_too_long"),
    ],
)
def test_what_is_no_answer_is_a_fault(data: object, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        answers.completion(data, b"")
    assert caught.value.kind == kind


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls"])
@pytest.mark.parametrize("content", ["", None, []])
def test_nothing_with_a_reason_is_an_answer(content: object, finish: str) -> None:
    assert answers.completion(whole(content, finish), b"").text == ""


def test_an_answer_without_a_choice_says_what_it_used() -> None:
    with pytest.raises(ProviderError) as caught:
        answers.completion({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}, b"")
    assert (caught.value.usage, caught.value.unknown) == (TokenUsage(3, 2), True)


@pytest.mark.parametrize("name", ["", "x" * 201, "new\nline", "größe", 7, None])
def test_a_models_name_is_one(name: object) -> None:
    assert answers.model({"model": name}) is None
    assert answers.model({"model": "gpt-4o-mini"}) == "gpt-4o-mini"


# --- chunks


def test_a_text_is_plain() -> None:
    made = taken(piece(content="hi"))
    assert (made.text, made.has_output, made.plain, made.finish) == ("hi", True, True, None)


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
    assert made.has_output
    assert not made.plain


@pytest.mark.parametrize("data", [piece(role="assistant", content=""), piece(), {"choices": []}, {"choices": None}, {}])
def test_a_chunk_may_say_nothing(data: dict[str, Any]) -> None:
    made = taken(data)
    assert not made.has_output
    assert made.plain
    assert made.finish is None


@pytest.mark.parametrize("data", [[], "hi", 7, {"choices": 7}, {"choices": "hi"}, {"choices": [7]}])
def test_what_is_no_chunk_is_malformed(data: object) -> None:
    with pytest.raises(ProviderError) as caught:
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
    assert (produced.finish, produced.usage, produced.plain) == ("stop", TokenUsage(1, 2), True)
    assert produced.has_output == any(texts)


def test_a_stream_must_have_an_end() -> None:
    with pytest.raises(ProviderError) as caught:
        answers.check_end(None)
    assert (caught.value.kind, caught.value.unknown) == ("cut", True)


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
    assert answers.without_usage(bare) is bare.raw
    billed = {**piece(content="hi"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert json.loads(answers.without_usage(taken(billed))) == piece(content="hi")
    groqs = {**piece(content="hi"), "x_groq": {"id": "1", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}}
    assert json.loads(answers.without_usage(taken(groqs))) == {**piece(content="hi"), "x_groq": {"id": "1"}}
    inside = piece(content="hi")
    inside["choices"][0]["usage"] = {"prompt_tokens": 1}
    assert json.loads(answers.without_usage(taken(inside))) == piece(content="hi")


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


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls"])
def test_a_stream_that_ended(finish: str) -> None:
    answers.check_end(finish)


@pytest.mark.parametrize("blank", ["", "null"])
def test_a_finish_that_is_blank_is_none_and_is_told_as_none(blank: str) -> None:
    made = taken(piece(blank, content="hi"))
    assert (made.finish, made.finished, made.text) == (None, frozenset(), "hi")
    assert json.loads(made.raw)["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("odd", [0, False, [], {}, 7])
def test_a_finish_that_is_no_word_is_none(odd: Any) -> None:
    assert taken(piece(odd)).finish is None


# --- halves of characters


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r"\ud83e\udd9c", "🦜"),
        (r"a\ud83e", "a\ufffd"),
        (r"\udd9ca", "\ufffda"),
        (r"\udd9c\ud83e", "\ufffd\ufffd"),
        (r"\ud83e \udd9c", "\ufffd \ufffd"),
        (r"\uD83E\ud83e\uDD9C", "\ufffd🦜"),
    ],
)
def test_a_half_that_stays_alone_is_replaced_in_the_answer_and_in_its_json(said: str, text: str) -> None:
    raw = b'{"model":"m","choices":[{"index":0,"message":{"content":"%b"},"finish_reason":"stop"}]}' % said.encode()
    found = answers.completion(*answers.decoded_whole(raw))
    assert found.text == text
    assert json.loads(found.raw)["choices"][0]["message"]["content"] == text
    found.raw.decode()


def test_bytes_that_are_no_text_are_replaced() -> None:
    data, raw = answers.decoded_whole(b'{"a": "\xf0\x9f"}')
    assert data == {"a": "\ufffd"} == json.loads(raw)


@pytest.mark.parametrize("raw", [b'{"a": NaN, "b": "\\ud83e"}', b'{"a": "\\ud83e"', b"\xf0"])
def test_a_half_is_no_excuse_for_what_is_no_json(raw: bytes) -> None:
    with pytest.raises(ProviderError):
        answers.decoded_whole(raw)


@pytest.mark.parametrize(
    ("event", "foreign"),
    [({"type": "notice"}, True), ({}, True), ({"choices": []}, False), ({"usage": {}}, False), ({"error": "x"}, False), ([], False)],
)
def test_an_event_of_another_format_is_told_from_a_chunk(event: object, foreign: bool) -> None:
    assert answers.is_foreign(event) is foreign


def test_our_usage_is_the_only_one_in_an_answer() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    raw = msgspec.json.encode({"choices": [{"message": {"content": "x"}, "usage": usage}], "x_groq": {"id": "a", "usage": usage}})
    told = msgspec.json.decode(answers.with_usage(raw, TokenUsage(5, 7)))
    assert told["usage"]["total_tokens"] == 12
    assert (told["choices"], told["x_groq"]) == ([{"message": {"content": "x"}}], {"id": "a"})
