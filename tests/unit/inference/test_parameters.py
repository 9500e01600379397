"""Which parameters reach a provider, and which are dropped and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.prices import Price
from app.inference.chain import ChainProvider
from app.inference.parameters import ALLOWED_PARAMETERS, NEVER, call_for, check, thinks
from app.inference.profiles import THINKING_TOKENS, profile_of
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest
from app.inference.wires import library
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.gemini import gemini_wire
from app.inference.wires.messages import messages_wire
from app.inference.wires.wire import Wire

BILLED = {"service_tier": "priority", "store": True, "metadata": {"a": "b"}, "web_search_options": {}, "prediction": {}, "audio": {}}
OURS = {"api_base": "http://evil.example", "api_key": "sk-other", "mock_response": "free", "custom_llm_provider": "x", "base_url": "y"}
MESSAGES = [{"role": "user", "content": "hi"}]


def candidate(kind: str) -> ChainProvider:
    address = "http://127.0.0.1:9/v1"
    wire: Wire
    if kind in {"openai", "groq", "local"}:
        wire = CompatibleWire(kind=kind, api_base=address, api_key="k", connect_seconds=1, connections=1)
    else:
        wire = (messages_wire if kind == "anthropic" else gemini_wire)(
            kind=kind, api_base=address, api_key="k", connect_seconds=1, connections=1
        )
    return ChainProvider("one", profile_of(kind), "one-model", Price(0), wire)


@pytest.mark.parametrize(
    ("reasoning", "given", "thinks_"),
    [
        (False, {}, False),
        (False, {"temperature": 1}, False),
        (True, {}, True),
        (True, {"reasoning_effort": "none"}, True),
        (False, {"reasoning_effort": "none"}, False),
        (False, {"reasoning_effort": None}, False),
        (False, {"reasoning_effort": "low"}, True),
        (False, {"reasoning_effort": "max"}, True),
        (False, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
        (False, {"thinking": {"type": "adaptive"}}, True),
        (False, {"thinking": {"type": "disabled"}}, False),
        (False, {"thinking": {"type": []}}, True),
        (False, {"thinking": "yes"}, False),
    ],
)
def test_who_always_may_or_is_asked_to_thinks(reasoning: bool, given: dict[str, Any], thinks_: bool) -> None:
    model = replace(candidate("openai"), reasoning=reasoning)
    assert thinks(model, ChatRequest("auto", MESSAGES, given)) is thinks_


def sent(kind: str, given: Mapping[str, Any], max_tokens: int = 7) -> tuple[dict[str, Any], tuple[str, ...]]:
    call, dropped = call_for(candidate(kind), ChatRequest("auto", MESSAGES, {"model": "auto", "messages": MESSAGES, **given}), max_tokens)
    assert (call.model, call.messages) == ("one-model", MESSAGES)
    return dict(call.parameters), dropped


@pytest.mark.parametrize("kind", ["openai", "groq"])
def test_what_could_cost_beyond_the_hold_or_redirect_the_call_never_goes(kind: str) -> None:
    parameters, dropped = sent(kind, {**BILLED, **OURS, "temperature": 0.5})
    assert parameters == {"temperature": 0.5, "max_tokens": 7}
    assert dropped == tuple(sorted({**BILLED, **OURS}))


def test_a_server_of_ones_own_gets_what_was_given() -> None:
    parameters, dropped = sent("local", {"top_k": 5, "service_tier": "x", "temperature": 0})
    assert (parameters, dropped) == ({"top_k": 5, "service_tier": "x", "temperature": 0, "max_tokens": 7}, ())


@pytest.mark.parametrize("kind", ["openai", "local"])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_only_bound_that_is_sent_is_the_one_that_was_held(kind: str, name: str) -> None:
    parameters, dropped = sent(kind, {name: 10**6, "stream": True, "stream_options": {"include_usage": True}}, max_tokens=50)
    assert (parameters, dropped) == ({"max_tokens": 50}, ())


def test_what_is_null_was_not_given() -> None:
    assert sent("openai", {"temperature": None, "service_tier": None}) == ({"max_tokens": 7}, ())


@pytest.mark.parametrize(
    ("kind", "dropped"),
    [
        ("openai", ()),
        ("groq", ("logit_bias", "logprobs", "n", "verbosity")),
    ],
)
def test_what_one_provider_does_not_take_is_named(kind: str, dropped: tuple[str, ...]) -> None:
    given = {"n": 2, "seed": 1, "logprobs": True, "logit_bias": {"1": 1}, "frequency_penalty": 1, "verbosity": "low", "top_p": 1}
    parameters, named = sent(kind, given)
    assert named == dropped
    assert parameters.keys() == given.keys() - set(dropped) | {"max_tokens"}


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "https://shop.example/a.png"])
def test_an_image_that_a_provider_would_fetch_at_an_unknown_price_is_not_for_it(kind: str, url: str) -> None:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    request = ChatRequest("auto", [{"role": "user", "content": content}])
    if kind == "gemini" and url.startswith("https"):
        with pytest.raises(ProviderError) as caught:
            check(candidate(kind), request)
        assert (caught.value.kind, caught.value.counts, caught.value.param) == ("unsupported", False, "messages")
    else:
        check(candidate(kind), request)


@given(
    st.sampled_from(["openai", "groq", "local"]),
    st.dictionaries(
        st.sampled_from(sorted({*ALLOWED_PARAMETERS, *NEVER, *BILLED, *OURS})) | st.text(max_size=8), st.none() | st.integers(), max_size=12
    ),
)
def test_each_given_parameter_is_either_sent_as_it_is_or_named(kind: str, given_ones: dict[str, Any]) -> None:
    wanted = {name: value for name, value in given_ones.items() if value is not None and name not in NEVER}
    parameters, dropped = sent(kind, given_ones)
    assert parameters.pop("max_tokens") == 7
    assert parameters.items() <= wanted.items()
    assert sorted({*parameters, *dropped}) == sorted(wanted)
    assert not parameters.keys() & set(dropped)
    assert list(dropped) == sorted(dropped)
    assert kind == "local" or parameters.keys() <= ALLOWED_PARAMETERS


def test_others_take_a_reasoning_effort_as_it_is() -> None:
    assert sent("openai", {"reasoning_effort": "high"}) == ({"reasoning_effort": "high", "max_tokens": 7}, ())


def test_the_table_of_thinking_is_litellms() -> None:
    constants = library.load().constants
    for effort, tokens in THINKING_TOKENS.items():
        assert tokens >= max(
            constants.ANTHROPIC_MIN_THINKING_BUDGET_TOKENS, getattr(constants, f"DEFAULT_REASONING_EFFORT_{effort.upper()}_THINKING_BUDGET")
        )


@pytest.mark.parametrize(
    ("kind", "reasoning", "optional", "sent"),
    [
        ("openai", False, True, False),
        ("groq", False, True, False),
        ("local", False, True, False),
        ("openai", True, True, True),
        ("openai", False, False, True),
    ],
)
def test_an_optional_effort_reaches_only_models_that_may_think(kind: str, reasoning: bool, optional: bool, sent: bool) -> None:
    request = ChatRequest("auto", MESSAGES, {"reasoning_effort": "low"}, optional=frozenset({"reasoning_effort"} if optional else ()))
    call, dropped = call_for(replace(candidate(kind), reasoning=reasoning), request, 4000)
    assert ("reasoning_effort" in call.parameters) is sent
    assert ("reasoning_effort" in dropped) is not sent


@pytest.mark.parametrize(("kind", "sent"), [("openai", "high"), ("groq", "high"), ("local", "high")])
def test_the_effort_max_is_the_highest_that_others_know(kind: str, sent: str) -> None:
    call, dropped = call_for(candidate(kind), ChatRequest("auto", MESSAGES, {"reasoning_effort": "max"}), 20_000)
    assert (call.parameters["reasoning_effort"], dropped) == (sent, ())
