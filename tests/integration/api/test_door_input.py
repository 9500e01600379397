"""What comes in at OpenAI's endpoints: malformed, huge, unauthorised; what of it reaches a provider; under which names."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text

from app import tokens
from app.settings import BudgetSettings
from tests.fakes.provider import full
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door

USER = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
JSON = {"content-type": "application/json"}


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


async def nothing_happened(door: Door) -> None:
    assert set((await door.asked()).values()) == {0}
    assert await door.holds() == []


def sent(door: Door, name: str = "one") -> dict[str, Any]:
    """The body of the last request to a provider."""
    return door.fakes[name].asked[-1].body


async def held(door: Door) -> list[tuple[int, int]]:
    """Nano-dollars and tokens of this developer's holds, in order."""
    await door.engine._meter.close()
    query = text(
        "select h.nanousd, h.tokens from budget_holds h join developers d on d.id = h.developer_id where d.name = :name order by h.created_at"
    )
    async with door.api.services.database.begin() as connection:
        return [tuple(row) for row in await connection.execute(query, {"name": door.developer})]


async def logged(door: Door) -> list[Any]:
    """This developer's rows of the request log, once they are written."""
    await door.api.services.budget.requests._writing.finish()
    query = text("select l.* from request_log l join developers d on d.id = l.developer_id where d.name = :name order by l.id")
    async with door.api.services.database.begin() as connection:
        return list((await connection.execute(query, {"name": door.developer})).mappings())


async def raw(door: Door, body: bytes | str, path: str = "/v1/chat/completions", kind: str = "application/json") -> Reply:
    data = body.encode() if isinstance(body, str) else body
    return await door.api.ask("POST", path, key=door.key, data=data, headers={"content-type": kind})


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"temperature": float("nan")}, "temperature"),
    ({"temperature": float("inf")}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": "0.5"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 1.01}, "top_p"),
    ({"presence_penalty": -2.1}, "presence_penalty"),
    ({"frequency_penalty": float("-inf")}, "frequency_penalty"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "100"}, "max_tokens"),
    ({"max_tokens": 2**63}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"n": True}, "n"),
    ({"seed": 2**63}, "seed"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": []}, "stream_options"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"logprobs": 1}, "logprobs"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"logit_bias": {"50256": 101}}, "logit_bias.50256"),
    ({"logit_bias": {"50256": float("nan")}}, "logit_bias.50256"),
    ({"user": "u" * 513}, "user"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"response_format": "json"}, "response_format"),
    ({"stop": 5}, "stop"),
    ({"stop": ["."] * 17}, "stop"),
    ({"tool_choice": "perhaps"}, "tool_choice"),
    ({"functions": 5}, "functions"),
    ({"n": 128, "max_tokens": 10_000}, "max_tokens"),
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": "m" * 201}, "model"),
    ({"model": "a\x00b"}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": {"role": "user"}}, "messages"),
    ({"messages": [USER] * 10_001}, "messages"),
    ({"messages": ["hello"]}, "messages.0"),
    ({"messages": [USER, {"role": "wizard", "content": "x"}]}, "messages.1.role"),
    ({"messages": [{"content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{**USER, "name": "a\x00b"}]}, "messages.0.name"),
    ({"messages": [{**USER, "tool_calls": "none"}]}, "messages.0.tool_calls"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 7}]}, "messages.0.tool_call_id"),
    ({"tools": {}}, "tools"),
    ({"tools": [TOOL] * 513}, "tools"),
    ({"tools": [{**TOOL, "type": "web_search"}]}, "tools.0.type"),
    ({"tools": [{"type": "function"}]}, "tools.0.function"),
    ({"tools": [TOOL, {"type": "function", "function": {"name": "two words"}}]}, "tools.1.function.name"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools.0.function.name"),
    ({"tools": [{"type": "function", "function": {"name": "x" * 129}}]}, "tools.0.function.name"),
    ({"tools": [{"type": "function", "function": {"name": "a\nb"}}]}, "tools.0.function.name"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]}, "tools.0.function.parameters"),
]


async def test_a_field_that_is_wrong_is_named(door: Door, subtests: pytest.Subtests) -> None:
    """One door for all: none of them leaves anything behind."""
    for fields, param in MALFORMED:
        with subtests.test(param=param, value=json.dumps(next(iter(fields.values())))[:30]):
            reply = await door.chat(**fields)
            assert (reply.status, reply.error["type"], reply.error["param"]) == (422, "invalid_request_error", param)
            assert param in reply.error["message"]
            await nothing_happened(door)


EMBEDDINGS: list[tuple[dict[str, Any], str]] = [
    ({"dimensions": 0}, "dimensions"),
    ({"dimensions": 4097}, "dimensions"),
    ({"dimensions": 1.5}, "dimensions"),
    ({"encoding_format": "hex"}, "encoding_format"),
    ({"model": ""}, "model"),
    ({"model": "a\x00"}, "model"),
    ({"user": 5}, "user"),
    ({"input_type": "query"}, "input_type"),
    ({"input": []}, "input"),
    ({"input": ["x"] * 2049}, "input"),
    ({"input": [[]]}, "input"),
    ({"input": [[1.5]]}, "input"),
    ({"input": [-1]}, "input"),
    ({"input": [1, "x"]}, "input"),
    ({"input": [["x"]]}, "input"),
    ({"input": [200_000]}, "input"),
    ({"input": [[1], [2**40]]}, "input"),
    ({"input": [1] * 100_001}, "input"),
]


async def test_a_field_of_embeddings_that_is_wrong_is_named(door: Door, subtests: pytest.Subtests) -> None:
    for fields, param in EMBEDDINGS:
        with subtests.test(param=param, value=json.dumps(next(iter(fields.values())))[:30]):
            reply = await door.api.ask("POST", "/v1/embeddings", key=door.key, json={"model": "auto", "input": "x", **fields})
            assert (reply.status, reply.error["type"], reply.error["param"]) == (422, "invalid_request_error", param)
            await nothing_happened(door)


BODIES: dict[str, tuple[bytes, int]] = {
    "cut": (b"{", 400),
    "no JSON": (b"hello", 400),
    "no UTF-8": (b'{"model": "\xff"}', 400),
    "a number without end": (b'{"model": ' + b"9" * 5000 + b"}", 400),
    "nested without end": (b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "a list": (b"[]", 422),
    "a text": (b'"hello"', 422),
    "null": (b"null", 422),
    "empty": (b"", 422),
    "an empty object": (b"{}", 422),
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_a_body_that_is_no_request_is_refused(door: Door, path: str, subtests: pytest.Subtests) -> None:
    for name, (body, status) in BODIES.items():
        with subtests.test(name):
            reply = await raw(door, body, path)
            assert (reply.status, reply.error["type"]) == (status, "invalid_request_error")
            await nothing_happened(door)


async def test_json_under_another_name_is_not_taken(door: Door) -> None:
    body = json.dumps({"model": "auto", "messages": [USER]})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        reply = await raw(door, body, kind=kind)
        assert (reply.status, "application/json" in reply.error["message"]) == (422, True)
    await nothing_happened(door)
    assert (await raw(door, body, kind="application/json; charset=utf-8")).status == 200


HALF = "\ud800"
"""Half of a character: no UTF-8 can say it, so no provider can be sent it."""
HALVES: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": HALF}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": HALF}]}]},
    {"messages": [{**USER, "unknown": HALF}]},
    {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"default": HALF}}}]},
    {"stop": [HALF]},
    {"response_format": {"type": HALF}},
    {"user": HALF},
    {HALF: 1},
]


async def test_half_a_character_is_the_callers_mistake_and_costs_nothing(door: Door, subtests: pytest.Subtests) -> None:
    for fields in HALVES:
        with subtests.test(fields=json.dumps(fields)[:60]):
            reply = await door.chat(**fields)
            assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
            await nothing_happened(door)


@pytest.mark.parametrize("model", ["vectors", "all-MiniLM-L6-v2"])
@pytest.mark.parametrize("given", [HALF, ["fine", HALF]], ids=["one", "among several"])
async def test_half_a_character_has_no_vector_and_costs_nothing(api: Api, model: str, given: Any) -> None:
    async with open_door(api, "one", provider={"embedding_model": "vectors", "embedding_usd_per_mtok": 1.0}) as door:
        reply = await api.ask("POST", "/v1/embeddings", key=door.key, json={"model": model, "input": given})
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
        await nothing_happened(door)


UNTRANSLATABLE: list[dict[str, Any]] = [
    {"response_format": {"x": 1}},
    {"tools": [TOOL], "tool_choice": {"x": 1}},
    {"response_format": {"type": "json_schema", "json_schema": 5}},
]


@pytest.mark.parametrize("fields", UNTRANSLATABLE, ids=lambda fields: json.dumps(fields)[:40])
async def test_what_cannot_be_translated_is_refused_without_a_stack_trace(api: Api, fields: dict[str, Any]) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        reply = await door.chat(**fields)
        assert reply.status in {400, 422}
        assert reply.error["type"] == "invalid_request_error"
        assert "Traceback" not in reply.text
        assert "site-packages" not in reply.text


@pytest.mark.parametrize(
    "content",
    ["a\x00b", "\U0010ffff \u202e \ufeff", [{"type": "text", "text": "a\x00b"}], [{"type": "text", "text": "x"}]],
    ids=["NUL", "odd characters", "NUL in a part", "a part"],
)
async def test_odd_texts_reach_the_provider_as_they_are(door: Door, content: Any) -> None:
    reply = await door.chat(messages=[{"role": "user", "content": content}])
    assert reply.status == 200, reply.text
    if isinstance(content, str):
        assert sent(door)["messages"][0]["content"] == content
    assert [state for _, state, _ in await door.holds()] == ["settled"]


@pytest.mark.parametrize("depth", [50, 300, 900])
async def test_deep_nesting_passes_or_is_refused_but_breaks_nothing(door: Door, depth: int) -> None:
    deep = json.loads("[" * depth + "]" * depth)
    for fields in (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "more": deep}]}]},
        {"response_format": {"x": deep}},
    ):
        assert (await door.chat(**fields)).status in {200, 400, 422}
    assert {state for _, state, _ in await door.holds()} <= {"settled", "released"}


async def test_an_unknown_model_is_told_with_those_that_there_are(door: Door) -> None:
    for path, body in (("/v1/chat/completions", {"messages": [USER]}), ("/v1/embeddings", {"input": "x"})):
        reply = await door.api.ask("POST", path, key=door.key, json={"model": "gpt-9", **body})
        assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
        assert "'gpt-9'" in reply.error["message"]
        assert ("auto, one-model, two-model" if "chat" in path else "all-MiniLM-L6-v2") in reply.error["message"]
    await nothing_happened(door)


async def test_a_model_without_a_price_is_refused_by_name(api: Api) -> None:
    async with open_door(api, "one", provider={"input_usd_per_mtok": None}) as door:
        reply = await door.chat(model="one-model")
        assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_without_price", "model")
        assert "'one-model' has no price" in reply.error["message"]
        assert (await door.chat()).status == 404  # nobody is left in the chain
        await nothing_happened(door)


async def test_no_key_or_a_wrong_one_is_401(door: Door) -> None:
    for path, body in (
        ("/v1/chat/completions", {"model": "auto", "messages": [USER]}),
        ("/v1/embeddings", {"model": "auto", "input": "x"}),
    ):
        for key in (None, "cairn_nobodys", ""):
            reply = await door.api.ask("POST", path, key=key, json=body)
            assert (reply.status, reply.error["type"]) == (401, "authentication_error")
            assert reply.headers["www-authenticate"].startswith("Bearer")
    for path in ("/v1/models", "/v1/providers"):
        assert (await door.api.ask("GET", path, key=None)).status == 401
    await nothing_happened(door)


async def test_the_admin_key_names_who_pays(door: Door) -> None:
    reply = await door.chat(key="admin")
    assert (reply.status, reply.error["type"]) == (403, "permission_error")
    assert "x-cairn-developer" in reply.error["message"]
    reply = await door.chat(key="admin", headers={"x-cairn-developer": "nobody-at-all"})
    assert (reply.status, "nobody-at-all" in reply.error["message"]) == (404, True)
    await nothing_happened(door)
    reply = await door.chat(key="admin", headers={"x-cairn-developer": door.developer})
    assert reply.status == 200, reply.text
    assert (await door.money())["spent_usd"] == pytest.approx(float(reply.headers["x-cairn-cost-usd"]), abs=1e-12)
    assert await door.holds() == [("one", "settled", "usage")]


async def test_a_developers_key_pays_for_itself_whomever_it_names(door: Door, api: Api) -> None:
    async with open_door(api) as other:
        assert (await other.chat(headers={"x-cairn-developer": door.developer})).status == 200
        assert (len(await other.holds()), await door.holds()) == (1, [])


async def test_purpose_and_project_end_up_in_the_request_log(door: Door) -> None:
    reply = await door.chat(headers={"x-cairn-purpose": "review", "x-cairn-project": "shop"})
    assert (await door.chat()).status == 200
    await door.api.ask("POST", "/v1/embeddings", key=door.key, json={"model": "auto", "input": "x"})
    rows = await logged(door)
    assert [(row["purpose"], row["project"], row["model_asked"], row["status"]) for row in rows] == [
        ("review", "shop", "auto", 200),
        ("chat", None, "auto", 200),
        ("embeddings", None, "auto", 200),
    ]
    assert [(row["provider"], row["model_answered"], row["attempts"]) for row in rows[:1]] == [("one", "one-model", 1)]
    assert rows[0]["nanousd"] == round(float(reply.headers["x-cairn-cost-usd"]) * 1e9)


@pytest.mark.parametrize(("name", "value"), [("x-cairn-purpose", "p" * 65), ("x-cairn-project", "p" * 201), ("x-cairn-project", "")])
async def test_a_header_that_is_wrong_is_named(door: Door, name: str, value: str) -> None:
    reply = await door.chat(headers={name: value})
    assert (reply.status, reply.error["param"]) == (422, name)
    await nothing_happened(door)


EXTRAS: Mapping[str, Any] = {
    "service_tier": "priority",
    "store": True,
    "metadata": {"a": "b"},
    "web_search_options": {},
    "api_base": "http://127.0.0.1:1/v1",
    "api_key": "sk-mine",
    "mock_response": "free of charge",
    "top_k": 4,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_what_a_hold_does_not_cover_is_dropped_and_said(door: Door, stream: bool) -> None:
    reply = await door.chat(stream=stream, temperature=0.5, **EXTRAS)
    assert reply.status == 200, reply.text
    assert reply.headers["x-cairn-dropped"] == ", ".join(sorted(EXTRAS))
    assert not sent(door).keys() & (EXTRAS.keys() - {"top_k"})  # which Anthropic takes
    assert (sent(door)["temperature"], "free of charge" in reply.text) == (0.5, False)
    assert "x-cairn-dropped" not in (await door.chat(temperature=0.5)).headers


async def test_a_translated_provider_gets_no_other_address_key_or_answer(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        reply = await door.chat(custom_llm_provider="openai", **EXTRAS)
        assert reply.status == 200, reply.text
        assert reply.json["choices"][0]["message"]["content"] == "".join(full("hello"))
        assert not sent(door).keys() & (EXTRAS.keys() - {"top_k"})  # which Anthropic takes
        assert door.fakes["one"].asked[0].headers["x-api-key"].startswith("sk-the-key-of-the-provider")


async def test_names_of_dropped_parameters_can_be_sent_in_a_header(door: Door) -> None:
    odd: dict[str, Any] = {"a\r\nx-evil: 1": 1, "ключ": 1, "a, b": 1, "": 1, **{f"parameter_{n:04d}": 1 for n in range(3000)}}
    reply = await door.chat(**odd)
    assert reply.status == 200, reply.text
    assert "x-evil" not in reply.headers
    assert 0 < len(reply.headers["x-cairn-dropped"]) < 4096
    assert await door.holds() == [("one", "settled", "usage")]


async def test_a_server_of_ones_own_gets_the_extras(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "local"}) as door:
        reply = await door.chat(top_k=4, min_p=0.1)
        assert (reply.status, "x-cairn-dropped" in reply.headers) == (200, False)
        assert (sent(door)["top_k"], sent(door)["min_p"]) == (4, 0.1)


@pytest.mark.parametrize(
    ("fields", "most"),
    [({}, 77), ({"max_tokens": 5}, 5), ({"max_completion_tokens": 6}, 6), ({"max_tokens": 5, "max_completion_tokens": 6}, 6)],
)
async def test_the_answer_is_always_bounded_by_what_was_held(api: Api, fields: dict[str, Any], most: int) -> None:
    async with open_door(api, budget=BudgetSettings(default_max_tokens=77)) as door:
        reply = await door.chat("say 90 words", **fields)
        assert (sent(door)["max_tokens"], "max_completion_tokens" in sent(door)) == (most, False)
        assert (reply.json["usage"]["completion_tokens"], reply.json["choices"][0]["finish_reason"]) == (most, "length")
        ((_, covered),) = await held(door)
        assert covered >= reply.json["usage"]["total_tokens"]


async def test_each_of_n_choices_is_held_in_full(api: Api) -> None:
    async with open_door(api, limit_usd=0.005) as door:
        reply = await door.chat(n=2, max_tokens=1000)
        assert (reply.status, len(reply.json["choices"])) == (200, 2)
        ((nanousd, most),) = await held(door)
        assert (nanousd >= 2 * 1000 * 2000, most >= 2000) == (True, True)
        assert (await door.chat(n=4, max_tokens=1000)).status == 402
        assert (await door.asked())["one"] == 1


async def test_near_the_limit_fewer_tokens_are_asked_for_and_it_says_so(api: Api) -> None:
    budget = BudgetSettings(shrink=True, shrink_min_tokens=50)
    async with open_door(api, limit_usd=0.001, budget=budget) as door:
        reply = await door.chat("say 20 words", max_tokens=5000)
        assert reply.status == 200, reply.text
        shrunk = int(reply.headers["x-cairn-shrunk-max-tokens"])
        assert 400 <= shrunk <= 500  # of $0.001 at $2 a million, less the prompt
        assert sent(door)["max_tokens"] == shrunk
        assert (await held(door))[0][0] <= 1_000_000
        assert "x-cairn-shrunk-max-tokens" not in (await door.chat(max_tokens=60)).headers
        reply, events = await door.events(max_tokens=5000)
        assert (events[-1], sent(door)["max_tokens"]) == ("[DONE]", int(reply.headers["x-cairn-shrunk-max-tokens"]))
    async with open_door(api, limit_usd=0.00005, budget=budget) as door:
        assert (await door.chat(max_tokens=5000)).status == 402
        await nothing_happened(door)


async def test_profiles_providers_and_their_models_are_models(api: Api) -> None:
    async with open_door(api, "one", "two", "three", profiles={"cheap": ("three", "two")}) as door:
        asked = {"auto": "one", "cheap": "three", "two": "two", "two-model": "two", "two/two-model": "two"}
        found = {model: (await door.chat(model=model)).headers["x-cairn-provider"] for model in asked}
        assert found == asked
        reply = await door.api.ask("GET", "/v1/models", key=door.key)
        assert reply.json["object"] == "list"
        assert [each["id"] for each in reply.json["data"]] == ["auto", "cheap", "one-model", "two-model", "three-model", "all-MiniLM-L6-v2"]
        assert {(each["object"], each["created"], each["owned_by"]) for each in reply.json["data"]} == {("model", 0, "cairn")}


async def test_providers_tell_the_admin_who_takes_part_and_whom_they_leave_alone(door: Door) -> None:
    assert (await door.api.ask("GET", "/v1/providers", key=door.key)).status == 403
    door.breaker("one").open_until(30)
    door.breaker("two").hold_off(20, rate_limited=True)
    found = {each.pop("name"): each for each in (await door.api.ask("GET", "/v1/providers")).json["providers"]}
    assert 0 < found["one"].pop("retry_in") <= 30
    assert 0 < found["two"].pop("retry_in") <= 20
    assert found == {
        name: {"model": f"{name}-model", "standing": "ready", "detail": "ready", "breaker": breaker, "free": False}
        for name, breaker in (("one", "open"), ("two", "closed"))
    }


async def test_a_provider_without_a_price_is_listed_without_a_breaker(api: Api) -> None:
    async with open_door(api, "one", provider={"output_usd_per_mtok": None}) as door:
        (found,) = (await door.api.ask("GET", "/v1/providers")).json["providers"]
        assert (found["standing"], found["breaker"], found["retry_in"]) == ("no_price", None, 0)
        assert "add its price to the price list" in found["detail"]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_tool_calls_pass_through_whole_and_streamed(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door:
        reply = await door.chat("call weather", tools=[TOOL], tool_choice="auto")
        assert reply.status == 200, reply.text
        (choice,) = reply.json["choices"]
        (call,) = choice["message"]["tool_calls"]
        assert (choice["finish_reason"], call["type"], call["function"]["name"]) == ("tool_calls", "function", "weather")
        assert json.loads(call["function"]["arguments"]) == {"city": "the city"}
        _, events = await door.events("call weather", tools=[TOOL])
        pieces = [piece for each in events[:-1] for piece in each["choices"][0]["delta"].get("tool_calls") or ()]
        assert next(piece["function"]["name"] for piece in pieces if piece["function"].get("name")) == "weather"
        assert json.loads("".join(piece["function"].get("arguments") or "" for piece in pieces)) == {"city": "the city"}
        assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"
        answered = [
            {"role": "user", "content": "call weather"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
        ]
        assert (await door.chat(messages=answered, tools=[TOOL])).status == 200
        assert len(sent(door)["messages"]) == 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_response_format_reaches_the_provider(door: Door, stream: bool) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    assert (await door.chat(stream=stream, response_format=wanted)).status == 200
    assert sent(door)["response_format"] == wanted


async def test_an_image_counts_as_an_image_not_as_its_letters(door: Door) -> None:
    words = {"type": "text", "text": "What is this?"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    assert (await door.chat(messages=[{"role": "user", "content": [words]}])).status == 200
    assert (await door.chat(messages=[{"role": "user", "content": [words, image, image]}])).status == 200
    assert sent(door)["messages"][0]["content"] == [words, image, image]
    (_, plain), (_, pictured) = await held(door)
    assert pictured - plain == 2 * tokens.MAX_IMAGE_TOKENS


@pytest.mark.parametrize("words", [3, 300_000], ids=["counted", "too large to be counted"])
@pytest.mark.parametrize("detail", [{}, {"detail": "high"}, {"detail": "low"}], ids=["any", "high", "low"])
async def test_the_hold_covers_each_image_at_what_its_model_counts(api: Api, words: int, detail: dict[str, str]) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", **detail}}
    text_part = {"type": "text", "text": "word " * words}
    async with open_door(api, "one", provider={"image_tokens": 5667}, limit_usd=100) as door:
        for pictures in (0, 3):
            body = posted({"model": "auto", "messages": [{"role": "user", "content": [text_part, *[image] * pictures]}]})
            reply = await api.ask("POST", "/v1/chat/completions", key=door.key, data=body, headers=JSON)
            assert reply.status == 200, reply.text[:500]
        (_, plain), (_, pictured) = await held(door)
    assert 3 * 5667 <= pictured - plain <= 3 * 5667 + 500


async def test_a_long_prompt_is_held_and_settled_at_its_tiers_price(api: Api) -> None:
    tier = {"above_tokens": 1000, "input_usd_per_mtok": 10.0, "output_usd_per_mtok": 50.0}
    async with open_door(api, "one", provider={"price_tiers": [tier]}) as door:
        spent = [0.0]
        for words, said, (given, produced) in ((900, 900, (1, 2)), (1100, 1100, (10, 50)), (995, 995, (1, 2))):
            assert (await door.chat("word " * words, max_tokens=10)).status == 200
            spent.append((await door.money())["spent_usd"])
            assert round((spent[-1] - spent[-2]) * 10**6) == said * given + 10 * produced
        holds = await held(door)
    dear = [nanousd == (tokens - 10) * 10_000 + 10 * 50_000 for nanousd, tokens in holds]
    assert dear == [False, True, True]  # the last might have passed the threshold, by our count, and didn't


MANY = [USER, {"role": "assistant", "content": "hi"}] * 5000
COUNTED = {"900 kB of words": [{"role": "user", "content": "word " * 180_000}], "10,000 messages": MANY}
LARGE = {
    "5 MB of words": [{"role": "user", "content": "word " * 1_000_000}],
    "5 MB without a space": [{"role": "user", "content": "a" * 5_000_000}],
    "10,000 messages": MANY,
}


def posted(body: Mapping[str, Any]) -> io.BytesIO:
    return io.BytesIO(json.dumps(body).encode())


async def reached(event: asyncio.Event, asked: asyncio.Task[Reply]) -> None:
    """The request is at that point, and not over."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({asked, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert not asked.done(), (await asked).text[:500]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("messages", LARGE.values(), ids=LARGE)
async def test_a_large_prompt_works_and_others_are_answered_meanwhile(
    api: Api, messages: list[dict[str, Any]], stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_door(api, "one") as door:
        arrived, answered, provide = asyncio.Event(), asyncio.Event(), door.fakes["one"]._provide

        async def held_back(request: Any) -> Any:
            arrived.set()
            await answered.wait()
            return await provide(request)

        monkeypatch.setattr(door.fakes["one"], "_provide", held_back)
        body = posted({"model": "auto", "messages": messages, "stream": stream})
        asked = asyncio.create_task(api.ask("POST", "/v1/chat/completions", key=door.key, data=body, headers=JSON))
        await reached(arrived, asked)
        assert (await api.ask("GET", "/healthz", key=None)).status == 200
        answered.set()
        reply = await asked
        assert reply.status == 200, reply.text[:500]
        assert len(sent(door)["messages"]) == len(messages)
        assert (await held(door))[0][1] >= 20_000


@pytest.mark.parametrize("messages", COUNTED.values(), ids=COUNTED)
async def test_a_prompt_is_counted_off_the_event_loop(api: Api, messages: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    counting, answered, count = asyncio.Event(), threading.Event(), tokens.count_messages
    loop = asyncio.get_running_loop()

    def held_back(*args: Any, **options: Any) -> int:
        """On the event loop it would wait for itself."""
        loop.call_soon_threadsafe(counting.set)
        assert answered.wait(timeout=60)
        return count(*args, **options)

    async with open_door(api, "one") as door:
        monkeypatch.setattr("app.inference.token_bounds.count_messages", held_back)
        body = posted({"model": "auto", "messages": messages})
        asked = asyncio.create_task(api.ask("POST", "/v1/chat/completions", key=door.key, data=body, headers=JSON))
        await reached(counting, asked)
        assert (await api.ask("GET", "/healthz", key=None)).status == 200
        answered.set()
        assert (await asked).status == 200


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
async def test_a_body_above_the_limit_is_refused(door: Door, announced: bool) -> None:
    most = door.api.services.settings.inference.max_body_bytes
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "a" * most}]}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 2**20):
            yield body[start : start + 2**20]

    data = io.BytesIO(body) if announced else chunks()
    reply = await door.api.ask("POST", "/v1/chat/completions", key=door.key, data=data, headers=JSON)
    assert (reply.status, reply.error["code"]) == (413, "too_large")
    assert f"{most:,} bytes" in reply.error["message"]
    await nothing_happened(door)
