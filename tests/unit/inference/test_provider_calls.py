"""What a provider of another dialect is sent: the caller's own body where it speaks the same, else one that is written for it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.budget.prices import Price
from app.inference.chain import ChainProvider
from app.inference.claude_models import takes_effort, takes_prefill, takes_sampling
from app.inference.conversations import chat_request
from app.inference.dialects.messages import MESSAGES
from app.inference.own_parts import own_tokens
from app.inference.parameters import check
from app.inference.profiles import profile_of
from app.inference.provider_calls import provider_call
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest, OriginalRequest
from app.inference.token_bounds import count_prompt
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.gemini import GeminiFormat
from app.inference.wires.messages import MessagesFormat

HOUR = {"type": "ephemeral", "ttl": "1h"}
BODY: dict[str, Any] = {
    "max_tokens": 900,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2"},
        {"type": "text", "text": "Be brief.", "cache_control": HOUR},
    ],
    "metadata": {"user_id": "u_1"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "I look."}],
        },
        {"role": "user", "content": "go on"},
    ],
    "model": "claude-sonnet-4-5",
    "tools": [
        {"name": "look", "input_schema": {"type": "object"}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "a_field_of_tomorrow": {"deep": [1, 2.0, None]},
}
BODY["thinking"]["budget_tokens"], BODY["max_tokens"] = 1024, 4000


def candidate(kind: str = "anthropic", *, model: str = "claude-sonnet-4-5") -> ChainProvider:
    wire = CompatibleWire(kind="local", api_base="http://127.0.0.1:1", api_key=None, connect_seconds=1, connections=1)
    return ChainProvider("one", profile_of(kind), model, Price(1), wire)


def request(body: dict[str, Any], **headers: str) -> ChatRequest:
    original = OriginalRequest("messages", body, headers)
    return chat_request(MESSAGES.read_request(body), size=0, cache="auto", original=original)


def sent(asked: ChatRequest, max_tokens: int = 4000, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    call, dropped = provider_call(candidate(**more), asked, max_tokens)
    assert call.written is not None
    return dict(MessagesFormat().body(call.written.body, call.model, max_tokens, stream=False)), dropped


def chat(**parameters: Any) -> ChatRequest:
    messages = [{"role": "user", "content": "hi"}]
    return ChatRequest("auto", messages, {"model": "auto", "messages": messages, **parameters})


def test_a_body_of_the_same_dialect_is_sent_as_it_came() -> None:
    before = copy.deepcopy(BODY)
    found, dropped = sent(request(BODY), 3500, model="claude-opus-4-5")
    assert msgspec.json.encode(found) == msgspec.json.encode({**BODY, "model": "claude-opus-4-5", "max_tokens": 3500})
    assert list(found) == list(BODY)
    assert dropped == ()
    assert before == BODY


def test_headers_go_with_the_body_and_with_one_that_is_written_anew() -> None:
    asked = request(BODY, **{"anthropic-beta": "one,two"})
    for each in (asked, asked.continued("so far", max_tokens=100)):
        call, _ = provider_call(candidate(), each, 4000)
        assert call.written is not None
        assert call.written.headers == {"anthropic-beta": "one,two"}
    call, _ = provider_call(candidate("openai"), request({**BODY, "tools": []}), 4000)
    assert call.written is None


@pytest.mark.parametrize(
    ("more", "left_out"),
    [
        ({"service_tier": "priority"}, ("service_tier",)),
        ({"service_tier": ["auto"]}, ("service_tier",)),
        ({"speed": "fast", "container": "c_1"}, ("speed", "container")),
        ({"mcp_servers": [{"url": "https://x"}]}, ("mcp_servers",)),
        ({"inference_geo": "us"}, ("inference_geo",)),
        ({"service_tier": "auto", "inference_geo": "global", "speed": "standard"}, ()),
        ({"service_tier": "standard_only", "mcp_servers": None}, ()),
    ],
)
def test_what_changes_the_price_is_left_out_and_named(more: dict[str, Any], left_out: tuple[str, ...]) -> None:
    body = {**BODY, **more}
    assert sent(request(body)) == ({name: value for name, value in body.items() if name not in left_out}, left_out)
    rewritten, dropped = sent(replace(request(body), original=None))
    assert not rewritten.keys() & set(left_out)
    assert set(left_out) <= set(dropped)


def test_a_summary_by_the_provider_which_reads_the_prompt_twice_is_left_out() -> None:
    edits = [{"type": "compact_20260112"}, {"type": "clear_thinking_20251015", "keep": "all"}]
    found, dropped = sent(request({**BODY, "context_management": {"edits": edits}}))
    assert found["context_management"] == {"edits": edits[1:]}
    assert dropped == ("context_management.compact_20260112",)


def test_a_body_whose_thinking_no_longer_fits_the_hold_is_written_anew() -> None:
    found, _ = sent(request(BODY), 1030)
    assert (found["max_tokens"], found["thinking"]) == (1030, {"type": "enabled", "budget_tokens": 1024})
    found, dropped = sent(request(BODY), 1024)
    assert "thinking" not in found
    assert "thinking" in dropped
    assert found["system"] == BODY["system"]
    assert found["tools"] == BODY["tools"]


def test_a_continued_answer_is_written_anew_with_what_was_said() -> None:
    found, _ = sent(request(BODY).continued("It is", max_tokens=50), 50)
    assert found["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "It is"}]}
    assert found["a_field_of_tomorrow"] == BODY["a_field_of_tomorrow"]


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-1", "claude-3-7-sonnet-latest", "glm-5"]
)
def test_an_effort_is_a_number_of_tokens_for_models_that_take_none(model: str) -> None:
    assert not takes_effort(model)
    found, dropped = sent(chat(reasoning_effort="medium", temperature=0.3), 2049, model=model)
    assert (found["thinking"], "temperature" in found, dropped) == ({"type": "enabled", "budget_tokens": 2048}, False, ("temperature",))
    found, dropped = sent(chat(reasoning_effort="medium", temperature=0.3), 2048, model=model)
    assert ("thinking" in found, found["temperature"], dropped) == (False, 0.3, ("reasoning_effort",))


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4.6", "claude-opus-5", "anthropic/claude-haiku-5-1-20270101"])
def test_an_effort_is_one_for_models_that_take_it(model: str) -> None:
    found, dropped = sent(chat(reasoning_effort="max"), 100, model=model)
    assert (found["thinking"], found["output_config"], dropped) == ({"type": "adaptive"}, {"effort": "max"}, ())


@pytest.mark.parametrize(
    ("model", "prefill", "sampling"),
    [
        ("claude-3-5-haiku-latest", True, True),
        ("claude-opus-4-20250514", True, True),
        ("claude-sonnet-4-5", True, True),
        ("claude-opus-4-6", False, True),
        ("claude-opus-4-7", False, False),
        ("claude-fable-5-2", False, False),
        ("claude-mythos-5", False, False),
        ("fake-1", True, True),
    ],
)
def test_newer_models_take_less(model: str, prefill: bool, sampling: bool) -> None:
    assert (takes_prefill(model), takes_sampling(model)) == (prefill, sampling)
    found, dropped = sent(chat(temperature=0.2, top_p=0.9), 100, model=model)
    assert dropped == (() if sampling else ("temperature", "top_p"))
    assert ("temperature" in found, "top_p" in found) == (sampling, sampling)


def test_the_beginning_of_an_answer_has_no_white_space_at_its_end() -> None:
    begun = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "It is \n"}]
    found, _ = sent(ChatRequest("auto", begun), 100)
    assert found["messages"][-1]["content"] == [{"type": "text", "text": "It is"}]


def test_a_tool_that_must_be_called_excludes_thinking() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    found, dropped = sent(chat(reasoning_effort="low", tools=[tool], tool_choice="required"), 5000)
    assert ("thinking" in found, found["tool_choice"], dropped) == (False, {"type": "any"}, ("reasoning_effort",))


def test_what_the_dialect_cant_say_is_named() -> None:
    found, dropped = sent(chat(n=2, seed=1, logprobs=True, frequency_penalty=1, logit_bias={"1": 1}, user="u", stop=["x"]), 5)
    assert dropped == ("seed", "frequency_penalty", "n", "logit_bias", "logprobs")
    assert (found["stop_sequences"], found["metadata"]) == (["x"], {"user_id": "u"})


@pytest.mark.parametrize(
    "content", [[{"type": "nonsense"}], 7, [[]], [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]]
)
def test_what_cant_be_written_for_a_provider_is_not_its_fault(content: Any) -> None:
    asked = ChatRequest("auto", [{"role": "user", "content": content}])
    with pytest.raises(ProviderError) as raised:
        provider_call(candidate(), asked, 5)
    assert (raised.value.kind, raised.value.counts, raised.value.unknown) == ("unsupported", False, False)
    assert raised.value.param


def test_a_vendors_own_tool_is_for_its_own_models_only() -> None:
    asked = request(BODY)
    check(candidate(), asked)
    with pytest.raises(
        ProviderError, match=r"tools\[1\] is bash_20250124, a tool that the vendor runs or defines itself: the provider one doesn't have it"
    ) as raised:
        check(candidate("openai"), asked)
    assert (raised.value.kind, raised.value.param) == ("unsupported", "tools[1]")


@pytest.mark.parametrize(
    "block",
    [
        {"type": "container_upload", "file_id": "f"},
        {"type": "web_fetch_tool_result", "content": {"content": {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}}},
    ],
)
def test_a_file_within_a_block_that_only_its_dialect_knows_is_refused(block: dict[str, Any]) -> None:
    asked = request({**BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, block]}]})
    with pytest.raises(ProviderError, match=f"A {block['type']} block contains a file"):
        check(candidate(), asked)


def test_what_chat_completions_doesnt_show_counts_as_a_token_a_byte() -> None:
    block = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "encrypted_content": "x" * 5000}],
    }
    plain = request({**BODY, "tools": [], "messages": [{"role": "user", "content": "hi"}]})
    own = request({**BODY, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [block]}]})
    here, elsewhere = candidate(), candidate("openai")
    assert own_tokens(here, own) > own_tokens(here, plain) + 5000
    assert own_tokens(elsewhere, own) == 0
    rewritten = replace(own, original=None)
    assert count_prompt(rewritten, here) > count_prompt(rewritten, elsewhere) + 5000


def test_a_caller_of_another_dialect_has_no_body_of_its_own_here() -> None:
    asked = replace(request(BODY), original=OriginalRequest("responses", {"input": "x"}, {"anthropic-beta": "no"}))
    call, _ = provider_call(candidate(), asked, 4000)
    assert call.written is not None
    assert (call.written.headers, "input" in call.written.body) == ({}, False)


def test_a_document_at_the_provider_whose_pages_nobody_knows_is_refused() -> None:
    asked = request({**BODY, "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]})
    with pytest.raises(ProviderError, match="It accepts no documents by their id"):
        check(candidate(), asked)


GEMINI = {"kind": "gemini", "model": "gemini-3-pro-preview"}


def told(asked: ChatRequest, *, reasoning: bool = True) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what Gemini is sent, and what is named as left out."""
    call, dropped = provider_call(replace(candidate(**GEMINI), reasoning=reasoning), asked, 900)
    assert call.written is not None
    return dict(GeminiFormat().body(call.written.body, call.model, 900, stream=False)), dropped


def test_gemini_is_sent_what_the_callers_dialect_says_and_the_rest_is_named() -> None:
    found, dropped = told(request({name: value for name, value in BODY.items() if name != "tools"}))
    assert [part["text"] for part in found["systemInstruction"]["parts"]] == [block["text"] for block in BODY["system"]]
    assert [content["role"] for content in found["contents"]] == ["user", "model", "user"]
    assert found["generationConfig"] == {"maxOutputTokens": 900, "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}}
    assert set(dropped) == {"assistant.thinking", "user", "context_management", "a_field_of_tomorrow"}


def test_gemini_is_written_for_by_its_models_name_whatever_the_caller_called_it() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    found, dropped = told(ChatRequest("auto", messages, {"model": "auto", "messages": messages, "n": 2, "seed": 1}))
    assert found["contents"][1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert (found["generationConfig"], dropped) == ({"candidateCount": 2, "seed": 1, "maxOutputTokens": 900}, ())


def test_the_effort_that_agents_always_send_goes_only_to_a_model_that_thinks() -> None:
    asked = request(
        {"model": "auto", "max_tokens": 900, "messages": [{"role": "user", "content": "hi"}], "output_config": {"effort": "low"}}
    )
    assert "thinkingConfig" in told(asked)[0]["generationConfig"]
    found, dropped = told(asked, reasoning=False)
    assert (found["generationConfig"], dropped) == ({"maxOutputTokens": 900}, ("reasoning_effort",))
    assert "thinkingConfig" in told(chat(reasoning_effort="low"), reasoning=False)[0]["generationConfig"]


def test_what_gemini_cant_be_written_is_not_its_fault() -> None:
    asked = ChatRequest("auto", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}])
    with pytest.raises(ProviderError, match="inline") as raised:
        provider_call(candidate(**GEMINI), asked, 5)
    assert (raised.value.kind, raised.value.counts, raised.value.param) == ("unsupported", False, "turns[0].parts[0]")
