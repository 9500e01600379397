"""Tools that a vendor runs: which are known, how often they may be used, what a request says about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import Price, TokenUsage
from app.errors import InvalidInput
from app.inference import allowance
from app.inference.cache_marks import asked_writes
from app.inference.chain import ChainProvider
from app.inference.conversation import Conversation, HostedTool, Text, ToolDefinition, Turn
from app.inference.hosted_tools import MAX_ROUNDS, bounded_tools, hosted_tools, is_bounded, name_of, rounds_of, uses_of
from app.inference.own_parts import own_tokens
from app.inference.parameters import check
from app.inference.profiles import ANTHROPIC, OPENAI
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest, OriginalRequest
from app.inference.token_bounds import HOSTED_TOOL_TOKENS, bound_chat
from app.inference.wires.compatible import CompatibleWire

CENT = 10_000_000
MESSAGES = replace(ANTHROPIC, dialect="messages")
PRICE = Price(1000, 2000, cache_write=1250, cache_write_1h=2000, tools={"web_search": CENT, "web_fetch": 0, "code_execution": 5 * CENT})
FUNCTION = ToolDefinition("look")
ASKED = [{"role": "user", "content": "what is new?"}]


def hosted(kind: str = "web_search_20250305", **data: Any) -> HostedTool:
    return HostedTool("messages", kind, {"type": kind, **data})


def candidate(*, window: int | None = 200_000, dialect: Any = "messages", price: Price = PRICE, apart: int = 0) -> ChainProvider:
    wire = CompatibleWire(kind="local", api_base="http://127.0.0.1:9", api_key=None, connect_seconds=1, connections=1)
    return ChainProvider("one", replace(MESSAGES, dialect=dialect), "m", price, wire, context_tokens=window, reasoning_apart=apart)


def request_of(*tools: HostedTool | ToolDefinition, **more: Any) -> ChatRequest:
    conversation = Conversation("auto", (Turn("user", (Text("what is new?"),)),), tools, dialect="messages")
    return ChatRequest("auto", ASKED, conversation=conversation, **more)


@pytest.mark.parametrize(
    ("tool", "name", "bounded"),
    [
        (hosted(max_uses=3), "web_search", True),
        (hosted(), "web_search", False),
        (hosted("web_fetch_20250910", max_uses=1), "web_fetch", True),
        (hosted("code_execution_20250825"), "code_execution", True),
        (hosted("bash_20250124"), "bash", True),
        (hosted("text_editor_20250728"), "text_editor", True),
        (hosted("advisor_20260301", max_uses=3), "advisor", False),
        (hosted("web_search"), "web_search", False),
        (HostedTool("responses", "web_search", {"max_uses": 3}), "web_search", False),
    ],
)
def test_a_tool_is_known_by_its_name_and_bounded_by_its_uses(tool: HostedTool, name: str, bounded: bool) -> None:
    assert (name_of(tool), is_bounded(tool)) == (name, bounded)


def test_a_limit_is_written_where_the_caller_set_none_and_nothing_else_changes() -> None:
    given: list[Any] = [
        {"name": "look", "input_schema": {}},
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["e.org"]},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        {"type": "code_execution_20250825", "name": "code_execution"},
        "not a tool",
    ]
    made = bounded_tools(given, uses=5)
    assert made[1] == {**given[1], "max_uses": 5}
    assert all(made[place] is given[place] for place in (0, 2, 3, 4))


@pytest.mark.parametrize("uses", [0, -1, True, "3", 2.5, [1]])
def test_a_limit_that_is_no_count_is_refused_by_its_place(uses: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        bounded_tools([{"name": "look"}, {"type": "web_fetch_20250910", "max_uses": uses}], uses=5)
    assert caught.value.param == "tools[1].max_uses"


@pytest.mark.parametrize(
    ("tools", "uses", "rounds"),
    [
        ([], {}, 0),
        ([hosted(max_uses=3)], {"web_search": 3}, 4),
        ([hosted(max_uses=3), hosted("web_fetch_20250910", max_uses=2)], {"web_search": 3, "web_fetch": 2}, 6),
        ([hosted(max_uses=2), hosted("web_search_20260209", max_uses=2)], {"web_search": 4}, 5),
        ([hosted(max_uses=90)], {"web_search": 90}, MAX_ROUNDS),
        ([hosted("code_execution_20250825")], {"code_execution": 1}, MAX_ROUNDS),
    ],
)
def test_uses_and_rounds_are_those_that_the_request_allows(tools: list[HostedTool], uses: dict[str, int], rounds: int) -> None:
    assert (uses_of(tools), rounds_of(tools)) == (uses, rounds)


async def test_a_hold_covers_each_use_and_a_window_for_each_round() -> None:
    request = request_of(FUNCTION, hosted(max_uses=3), hosted("bash_20250124"))
    bare = await bound_chat(request_of(FUNCTION), candidate(), max_tokens=10)
    bounds = await bound_chat(request, candidate(), max_tokens=10)
    assert hosted_tools(request.conversation) == [hosted(max_uses=3)]
    assert bounds.input_tokens == bare.input_tokens + own_tokens(candidate(), request) + 2 * HOSTED_TOOL_TOKENS
    assert (dict(bounds.tool_uses), bounds.tool_tokens, bounds.untold_tools) == ({"web_search": 3}, 4 * 200_000, frozenset())
    assert PRICE.worst_case(bounds) >= 3 * CENT + PRICE.worst_case(bare)
    told = TokenUsage(bounds.billed_input_tokens, 10, tool_uses={"web_search": 3})
    assert PRICE.cost(told) <= PRICE.worst_case(bounds)
    assert allowance.implausibility(told, bounds, candidate(), thinks=False) is None
    more = replace(told, tool_uses={"web_search": 4})
    assert "4 uses of web_search: 3 were allowed" in str(allowance.implausibility(more, bounds, candidate(), thinks=False))


async def test_a_container_is_charged_where_the_usage_doesnt_tell_it() -> None:
    bounds = await bound_chat(request_of(hosted("code_execution_20250825")), candidate(), max_tokens=10)
    plain = TokenUsage(10, 1)
    assert PRICE.cost(bounds.within(plain)) == PRICE.cost(plain) + 5 * CENT <= PRICE.worst_case(bounds)
    assert PRICE.cost(bounds.within(replace(plain, tool_uses={"code_execution": 1}))) == PRICE.cost(plain) + 5 * CENT


@pytest.mark.parametrize(
    ("tool", "at", "says"),
    [
        (hosted(max_uses=1), candidate(), None),
        (hosted("bash_20250124"), candidate(window=None), None),
        (hosted(max_uses=1), candidate(dialect="chat"), "the provider one doesn't have it"),
        (hosted("bash_20250124"), candidate(dialect=None), "the provider one doesn't have it"),
        (hosted(max_uses=1), candidate(window=None), "the context window of one isn't known"),
        (hosted(max_uses=1), candidate(price=Price(1)), "it has no price per use"),
        (hosted(), candidate(), "it has no price per use"),
        (hosted("advisor_20260301"), candidate(), "it has no price per use"),
    ],
)
def test_a_tool_whose_cost_nobody_can_bound_is_refused_by_its_place(tool: HostedTool, at: ChainProvider, says: str | None) -> None:
    if says is None:
        check(at, request_of(FUNCTION, tool))
        return
    with pytest.raises(ProviderError, match=says) as caught:
        check(at, request_of(FUNCTION, tool))
    assert (caught.value.kind, caught.value.param) == ("unsupported", "tools[1]")


@pytest.mark.parametrize(("source", "taken"), [("file_data", True), ("file_url", False), ("file_id", False)])
def test_a_document_is_taken_as_its_provider_reads_it(source: str, taken: bool) -> None:
    file = {source: "data:application/pdf;base64,JVBE", "filename": "report.pdf"}
    request = ChatRequest("auto", [{"role": "user", "content": [{"type": "file", "file": file}]}])
    if taken:
        check(candidate(), request)
    else:
        with pytest.raises(ProviderError, match=r"accepts no documents by their .*: report\.pdf"):
            check(candidate(), request)


async def test_reasoning_that_is_billed_apart_is_held_for_each_choice() -> None:
    request = replace(request_of(), choices=3)
    bounds = await bound_chat(request, candidate(apart=4000), max_tokens=100)
    assert (bounds.max_tokens, bounds.output_tokens) == (100, 3 * 4100)
    assert PRICE.cost(TokenUsage(bounds.input_tokens, 3 * 4100)) <= PRICE.worst_case(bounds)


MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
LONG: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("value", "lifetime"),
    [
        ([], "none"),
        ([{"role": "user", "content": "cache_control"}], "none"),
        ([{"role": "user", "content": [{"type": "text", "text": "x", **MARK}]}], "5m"),
        ([{"cache_control": {"type": "ephemeral", "ttl": "5m"}}], "5m"),
        ([MARK, {"content": [{"content": [{"type": "image", **LONG}]}]}], "1h"),
        ([LONG, MARK], "1h"),
        ([{"cache_control": {"type": "ephemeral", "ttl": "24h"}}], "1h"),
        ([{"tool_calls": [{"function": {}, **MARK}]}], "5m"),
        ([{"cache_control": None}], "none"),
        ({"system": [{"text": "s", **LONG}]}, "1h"),
        (None, "none"),
    ],
)
async def test_the_longest_lifetime_that_any_part_asks_for_counts(value: Any, lifetime: str) -> None:
    assert asked_writes([value]) == lifetime
    if isinstance(value, list):
        bounds = await bound_chat(ChatRequest("auto", value), candidate(), max_tokens=1)
        assert bounds.cache_writes == lifetime
    if isinstance(value, dict):
        sent = ChatRequest("auto", ASKED, original=OriginalRequest("messages", value))
        assert (await bound_chat(sent, candidate(), max_tokens=1)).cache_writes == lifetime


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)))
def test_no_value_without_a_mark_asks_for_a_cache_write(value: Any) -> None:
    assert asked_writes([value]) == "none"


async def test_a_provider_that_may_cache_by_itself_is_held_at_the_dearest_write() -> None:
    wire = candidate().wire
    own = ChainProvider("two", OPENAI, "m", PRICE, wire, context_tokens=9000)
    assert (await bound_chat(ChatRequest("auto", ASKED), own, max_tokens=1)).cache_writes == "1h"


async def test_what_the_caller_sent_is_counted_where_it_goes_on_as_it_is() -> None:
    body = {"messages": ASKED, "system": "a field that Chat Completions can't say " * 200}
    original = OriginalRequest("messages", body)
    for dialect, body_, more in (
        ("messages", original, True),
        ("chat", original, False),
        ("messages", replace(original, body=None), False),
    ):
        found = await bound_chat(ChatRequest("auto", ASKED, original=body_), candidate(dialect=dialect), max_tokens=1)
        assert (found.input_tokens > 1000) is more
