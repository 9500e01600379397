"""What providers say that a call used, each in its own dialect; what can't be true is no usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.inference.answers import usage_object as chat_usage
from app.inference.dialects.messages.blocks import usage_object as messages_usage
from app.inference.usage import MAX_COUNT, parse_usage, reply_usage, tells

COUNTS = st.none() | st.integers(-5, 10_000) | st.booleans() | st.text("0123456789.-x", max_size=3) | st.floats()
JSON = st.recursive(
    COUNTS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["usage", "x_groq", "choices", "a"]), inner)
)
NAMES = [
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens", "num_cached_tokens",
    "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
]  # fmt: skip
DETAILS = st.dictionaries(st.sampled_from(["cached_tokens", "cache_creation_tokens", "reasoning_tokens"]), COUNTS)


def block(prompt: object = 1000, output: object = 10, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": output, **more}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param(block(3, 5, total_tokens=8), TokenUsage(3, 5), id="OpenAI"),
        pytest.param(block(prompt_tokens_details={"cached_tokens": 640}), TokenUsage(1000, 10, 640), id="OpenAI's cache"),
        pytest.param(block(prompt_tokens_details={"cached_tokens": 4000}), TokenUsage(1000, 10, 1000), id="more cached than sent"),
        pytest.param(
            block(1_000_000, 10, prompt_cache_hit_tokens=900_000, prompt_cache_miss_tokens=100_000),
            TokenUsage(1_000_000, 10, 900_000),
            id="DeepSeek",
        ),
        pytest.param(
            block(None, 7, prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36), TokenUsage(100, 7, 64), id="DeepSeek, only the parts"
        ),
        pytest.param(
            block(prompt_tokens_details={"cached_tokens": 0}, prompt_cache_hit_tokens=512, prompt_cache_miss_tokens=488),
            TokenUsage(1000, 10, 512),
            id="a gateway's nought beside the real number",
        ),
        pytest.param(block(cached_tokens=768), TokenUsage(1000, 10, 768), id="Moonshot"),
        pytest.param(block(num_cached_tokens=128), TokenUsage(1000, 10, 128), id="Mistral"),
        pytest.param(
            {"input_tokens": 50, "output_tokens": 9, "cache_read_input_tokens": 3000, "cache_creation_input_tokens": 200},
            TokenUsage(3250, 9, 3000, 200),
            id="Anthropic: beside its input",
        ),
        pytest.param(
            block(3250, 9, total_tokens=3259, cache_read_input_tokens=3000, cache_creation_input_tokens=200),
            TokenUsage(3250, 9, 3000, 200),
            id="Anthropic through litellm: within the prompt",
        ),
        pytest.param(
            block(500, 9, total_tokens=809, cache_read_input_tokens=300, cache_creation_input_tokens=0),
            TokenUsage(800, 9, 300),
            id="Anthropic through another gateway: the total says that they are beside the prompt",
        ),
        pytest.param(
            block(50, 9, cache_read_input_tokens=3000, cache_creation_input_tokens=200),
            TokenUsage(3250, 9, 3000, 200),
            id="Anthropic through another gateway: more than the prompt",
        ),
        pytest.param(
            {"input_tokens": 900, "output_tokens": 40, "total_tokens": 940, "input_tokens_details": {"cached_tokens": 512}},
            TokenUsage(900, 40, 512),
            id="OpenAI's Responses",
        ),
        pytest.param(
            block(prompt_tokens_details={"cached_tokens": 100, "cache_write_tokens": 300}), TokenUsage(1000, 10, 100, 300), id="OpenRouter"
        ),
        pytest.param(
            block(
                700, 12, total_tokens=1012, completion_tokens_details={"reasoning_tokens": 300}, prompt_tokens_details={"cached_tokens": 2}
            ),
            TokenUsage(700, 312, 2),
            id="xAI: thoughts that only the total holds",
        ),
        pytest.param(
            block(700, 312, total_tokens=1012, completion_tokens_details={"reasoning_tokens": 300}),
            TokenUsage(700, 312),
            id="OpenAI's thoughts",
        ),
        pytest.param(
            block(700, 12, completion_tokens_details={"reasoning_tokens": 300}),
            TokenUsage(700, 312),
            id="thoughts beside an answer, no total",
        ),
        pytest.param({"prompt_tokens": 3, "total_tokens": 8}, TokenUsage(3, 5), id="no output but a total"),
        pytest.param(block(12.0, 7.0, total_tokens=19.0), TokenUsage(12, 7), id="whole floats"),
        pytest.param(block("12", "7"), TokenUsage(12, 7), id="digits"),
        pytest.param(block(prompt_tokens_details=None, completion_tokens_details=None), TokenUsage(1000, 10), id="no details"),
        pytest.param(block(prompt_tokens_details=[7], cached_tokens={"a": 1}), TokenUsage(1000, 10), id="details of another shape"),
        pytest.param(block(prompt_tokens_details={"cached_tokens": -4}), TokenUsage(1000, 10), id="a part that can't be believed"),
        pytest.param(block(prompt_tokens_details={"cached_tokens": True}), TokenUsage(1000, 10), id="a part that is no number"),
    ],
)
def test_each_dialect_is_read(given: object, read: TokenUsage) -> None:
    assert parse_usage(given) == read


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(block(0, 0, total_tokens=0), id="noughts"),
        pytest.param(block(None), id="no prompt"),
        pytest.param({"prompt_tokens": 3}, id="no output"),
        pytest.param({"prompt_tokens": 30, "total_tokens": 8}, id="a total below its parts"),
        pytest.param({"total_tokens": 8}, id="a total alone"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param("12", id="a text"),
        *[
            pytest.param({**block(20, 10, total_tokens=30), name: wrong}, id=f"{name}: {wrong!r:.20}")
            for name in ("prompt_tokens", "completion_tokens", "total_tokens")
            for wrong in (
                -1,
                True,
                12.5,
                float("nan"),
                float("inf"),
                "",
                "-3",
                "1e3",
                "٣",
                [3],
                {"a": 1},
            )
        ],
    ],
)
def test_what_can_not_be_believed_is_no_usage(given: object) -> None:
    assert parse_usage(given) is None


@pytest.mark.parametrize("huge", [1e300, MAX_COUNT + 1, 10**30, "9" * 5000, "10000000000000"])
def test_more_than_any_window_holds_is_read_as_the_most_so_that_it_is_disputed(huge: object) -> None:
    read = parse_usage(block(20, 10, total_tokens=30) | {"completion_tokens": huge})
    assert read is not None
    assert read.output == MAX_COUNT


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"prompt_tokens": 9, "total_tokens": 9}, TokenUsage(9)),
        ({"prompt_tokens": 9}, TokenUsage(9)),
        ({"total_tokens": 9}, TokenUsage(9)),
        ({"prompt_tokens": -9}, None),
        ({}, None),
        (None, None),
    ],
)
def test_embeddings_have_no_output(given: object, read: TokenUsage | None) -> None:
    assert parse_usage(given, output=0) == read


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param({"usage": block(5, 7), "choices": []}, id="in the last chunk"),
        pytest.param({"usage": None, "x_groq": {"id": "req_1", "usage": block(5, 7)}, "choices": [{"index": 0, "delta": {}}]}, id="Groq"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": block(5, 7)}]}, id="Moonshot"),
        pytest.param({"usage": block(0, 0), "choices": [{"usage": None}, {"usage": block(5, 7)}]}, id="in the second choice"),
        pytest.param({"usage": block(-5, 7), "x_groq": {"usage": block(5, 7)}}, id="where the first can't be believed"),
    ],
)
def test_a_usage_is_found_where_it_stands(reply: dict[str, Any]) -> None:
    assert reply_usage(reply) == TokenUsage(5, 7)


@pytest.mark.parametrize(
    "reply", [{}, {"usage": None}, {"x_groq": 7, "choices": 7}, {"choices": [7, None, {}]}, {"choices": None, "usage": []}]
)
def test_a_reply_may_have_no_usage(reply: dict[str, Any]) -> None:
    assert reply_usage(reply) is None


@given(reply=st.dictionaries(st.sampled_from(["usage", "x_groq", "choices"]), JSON))
def test_any_reply_can_be_read(reply: dict[str, Any]) -> None:
    reply_usage(reply)


@given(counts=st.dictionaries(st.sampled_from(NAMES), COUNTS), prompt=st.none() | DETAILS, output=st.none() | DETAILS)
def test_the_parts_of_a_usage_never_exceed_it(counts: dict[str, Any], prompt: object, output: object) -> None:
    found = parse_usage({**counts, "prompt_tokens_details": prompt, "completion_tokens_details": output})
    if found is not None:
        assert min(found.input, found.output, found.cached_input, found.cache_write) >= 0
        assert found.cached_input + found.cache_write <= found.input
        assert found.total > 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, False),
        ({"cached_tokens": 2}, False),
        ({"prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 3}, False),
        ({"prompt_tokens_details": {"cached_tokens": 2}}, True),
        ({"prompt_tokens_details": {"cached_tokens": 2}, "total_tokens": 11}, False),
        ({"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}, False),
    ],
)
def test_only_openais_own_names_tell_its_clients_a_usage(more: dict[str, Any], told: bool) -> None:
    assert tells({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, **more}, TokenUsage(5, 7, cached_input=2)) is told


@pytest.mark.parametrize("block", [None, [], {}, {"input_tokens": 5, "output_tokens": 7}])
def test_what_is_missing_tells_nothing(block: object) -> None:
    assert not tells(block, TokenUsage(5, 7))


WRITTEN_1H = {"cache_creation_input_tokens": 200, "cache_read_input_tokens": 50}


@pytest.mark.parametrize(
    ("told", "long_lived"),
    [
        pytest.param({"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50}, 50, id="both"),
        pytest.param({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 200}, 200, id="all of them"),
        pytest.param({"ephemeral_1h_input_tokens": 200}, 200, id="only one is named"),
        pytest.param({"ephemeral_5m_input_tokens": 200}, 0, id="only the other"),
        pytest.param({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 999}, 200, id="more than were written"),
        pytest.param({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, None, id="a gateway that fills in zeros"),
        pytest.param({"ephemeral_5m_input_tokens": -1, "ephemeral_1h_input_tokens": 200}, None, id="no count"),
        pytest.param({}, None, id="nothing"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_lifetime_of_cache_writes_is_told_or_unknown(told: Any, long_lived: int | None) -> None:
    own = parse_usage({"input_tokens": 10, "output_tokens": 3, **WRITTEN_1H, "cache_creation": told})
    assert own == TokenUsage(260, 3, 50, 200, cache_write_1h=long_lived)
    through_litellm = block(
        260,
        3,
        total_tokens=263,
        prompt_tokens_details={"cached_tokens": 50, "cache_creation_tokens": 200} | ({"cache_creation_token_details": told}),
    )
    assert parse_usage(through_litellm) == own


def test_the_uses_of_tools_that_the_vendor_ran_are_told_by_name() -> None:
    told = {"web_search_requests": 3, "web_fetch_requests": 0, "odd": "2", "wrong": -1}
    found = parse_usage({"input_tokens": 10, "output_tokens": 3, "server_tool_use": told})
    assert found is not None
    assert found.tool_uses == {"web_search": 3, "odd": 2}
    for nothing in (None, [], 7, {}):
        assert parse_usage({"input_tokens": 10, "output_tokens": 3, "server_tool_use": nothing}) == TokenUsage(10, 3)


@pytest.mark.parametrize("write", [chat_usage, messages_usage])
def test_a_usage_that_was_written_reads_the_same(write: Callable[[TokenUsage], dict[str, Any]]) -> None:
    for found in (
        TokenUsage(260, 3, 50, 200, cache_write_1h=120),
        TokenUsage(260, 3, 50, 200),
        TokenUsage(9, 2, tool_uses={"web_search": 4}),
    ):
        assert parse_usage(write(found)) == found
