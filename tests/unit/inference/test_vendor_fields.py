"""What only one vendor understands doesn't reach the others; the caller's own messages stay as they are."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.inference.parameters import call_for
from app.inference.profiles import profile_of
from app.inference.request import ChatRequest
from app.inference.vendor_fields import messages_for, tools_for
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.wire import ProviderCall
from tests.unit.inference.test_parameters import candidate

MARK = {"cache_control": {"type": "ephemeral"}}
BLOCKS = [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}}
TOOL = {"type": "function", "function": {"name": "f"}}
MARKED: list[dict[str, Any]] = [
    {"role": "system", "content": [TEXT, {**TEXT, **MARK}]},
    {"role": "user", "content": "a", **MARK},
    {"role": "user", "content": [{**IMAGE, **MARK}]},
    {"role": "assistant", "content": None, "tool_calls": [{**CALL, **MARK}], "thinking_blocks": BLOCKS},
    {"role": "tool", "tool_call_id": "a", "content": "x", **MARK},
    {"role": "assistant", "content": "", "thinking_blocks": BLOCKS},
]
PLAIN: list[dict[str, Any]] = [
    {"role": "system", "content": [TEXT, TEXT]},
    {"role": "user", "content": "a"},
    {"role": "user", "content": [IMAGE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "a", "content": "x"},
]
STRICT = ("openai", "groq", "cohere_chat", "mistral")


@pytest.mark.parametrize("kind", STRICT)
def test_other_vendors_get_no_marks_and_no_thinking_which_is_named(kind: str) -> None:
    given = copy.deepcopy(MARKED)
    assert messages_for(profile_of(kind), given) == (PLAIN, ("thinking_blocks",))
    assert given == MARKED


@pytest.mark.parametrize("kind", ["local"])
def test_a_teams_own_server_gets_everything(kind: str) -> None:
    messages, dropped = messages_for(profile_of(kind), MARKED)
    assert messages is MARKED
    assert dropped == ()


@pytest.mark.parametrize("kind", STRICT)
def test_a_mark_alone_is_no_loss(kind: str) -> None:
    assert messages_for(profile_of(kind), MARKED[:3]) == (PLAIN[:3], ())


@pytest.mark.parametrize("kind", [*STRICT, "local"])
def test_plain_messages_are_passed_on_as_they_are(kind: str) -> None:
    assert messages_for(profile_of(kind), PLAIN) == (PLAIN, ())
    assert messages_for(profile_of(kind), PLAIN)[0] is PLAIN


@pytest.mark.parametrize(("kind", "role"), [("openai", "developer"), ("groq", "system"), ("local", "system")])
def test_the_role_developer_reaches_only_openai(kind: str, role: str) -> None:
    assert messages_for(profile_of(kind), [{"role": "developer", "content": "a"}]) == ([{"role": role, "content": "a"}], ())


@pytest.mark.parametrize(
    ("api_base", "role", "bound"),
    [(None, "developer", "max_completion_tokens"), ("https://other.example/v1", "system", "max_tokens")],
)
async def test_other_servers_of_openais_format_get_no_role_that_they_dont_know(api_base: str | None, role: str, bound: str) -> None:
    wire = CompatibleWire(kind="openai", api_base=api_base, api_key="k", connect_seconds=1, connections=1)
    given = [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]
    body = wire._body(ProviderCall("m", given, {"max_tokens": 5}))
    assert body == {"model": "m", "messages": [{"role": role, "content": "a"}, given[1]], bound: 5}
    assert given[0]["role"] == "developer"
    await wire.close()


@pytest.mark.parametrize("kind", STRICT)
def test_tools_lose_their_marks_wherever_they_stand(kind: str) -> None:
    given = [{**TOOL, **MARK}, {"type": "function", "function": {"name": "f", **MARK}}, TOOL]
    assert tools_for(profile_of(kind), given) == [TOOL, TOOL, TOOL]
    assert tools_for(profile_of("local"), given) is given
    assert tools_for(profile_of(kind), [TOOL]) == [TOOL]
    assert tools_for(profile_of(kind), "odd") == "odd"


def test_odd_messages_are_the_providers_to_refuse() -> None:
    odd: list[dict[str, Any]] = [
        {"role": "user", "content": ["text", None]},
        {"role": "assistant", "tool_calls": [5], "thinking_blocks": None},
    ]
    assert (
        messages_for(profile_of("mistral"), odd)[0]
        == messages_for(profile_of("openai"), odd)[0]
        == [{"role": "user", "content": ["text", None]}, {"role": "assistant", "tool_calls": [5]}]
    )


@pytest.mark.parametrize(("kind", "marked"), [("openai", False), ("groq", False), ("local", True)])
def test_the_call_for_a_provider_has_what_it_takes(kind: str, marked: bool) -> None:
    call, dropped = call_for(candidate(kind), ChatRequest("auto", MARKED, {"tools": [{**TOOL, **MARK}]}), 10)
    assert call.messages == (MARKED if marked else PLAIN)
    assert call.parameters["tools"] == [{**TOOL, **MARK} if marked else TOOL]
    assert dropped == (() if marked else ("thinking_blocks",))


def calling(arguments: object, made_id: str = "a") -> list[dict[str, Any]]:
    call = {"id": made_id, "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": made_id, "content": "x"}]


@pytest.mark.parametrize("arguments", ['{"x": 1 }', "", '{"x": "cut o', "[1]", "ls", None, {"x": 1}])
def test_arguments_are_sent_as_the_model_wrote_them(arguments: object) -> None:
    for kind in ("openai", "groq", "local", "mistral"):
        assert messages_for(profile_of(kind), calling(arguments)) == (calling(arguments), ())


@pytest.mark.parametrize("kind", ["openai", "groq"])
def test_a_long_id_is_shortened_alike_in_a_call_and_in_its_result(kind: str) -> None:
    one, other = ("call_1__thought__" + letter * 300 for letter in "ab")
    ids = []
    for given in (one, other):
        called, result = messages_for(profile_of(kind), calling("{}", given))[0]
        assert called["tool_calls"][0]["id"] == result["tool_call_id"]
        assert len(result["tool_call_id"]) <= 40
        ids.append(result["tool_call_id"])
    assert ids[0] != ids[1]
    assert messages_for(profile_of(kind), calling("{}", "a" * 40))[0] == calling("{}", "a" * 40)
    assert messages_for(profile_of("mistral"), calling("{}", one))[0] == calling("{}", one)


def test_groq_gets_no_field_that_it_refuses_when_an_answer_is_sent_back_whole() -> None:
    echoed: list[dict[str, Any]] = [
        {"role": "user", "content": "a", "name": "ann", "metadata": {}, "id": "1", "tool_calls": None},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "audio": None,
            "function_call": None,
            "reasoning": "hm",
            "reasoning_content": "hm",
            "tool_calls": [CALL],
        },
        {"role": "tool", "tool_call_id": "a", "content": "x", "name": "f", "status": "ok"},
    ]
    taken = [
        {"role": "user", "content": "a", "name": "ann"},
        {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "x", "name": "f"},
    ]
    assert messages_for(profile_of("groq"), echoed) == (taken, ("reasoning_content",))
    for kind in ("openai", "mistral", "local"):
        assert messages_for(profile_of(kind), echoed)[0] is echoed


@pytest.mark.parametrize(("kind", "kept"), [("openai", True), ("groq", False), ("mistral", False), ("local", False)])
def test_a_refusal_is_a_text_to_all_but_openai(kind: str, kept: bool) -> None:
    said = {"role": "assistant", "content": [TEXT, {"type": "refusal", "refusal": "no"}]}
    found, dropped = messages_for(profile_of(kind), [said])
    assert found == [said if kept else {"role": "assistant", "content": [TEXT, {"type": "text", "text": "no"}]}]
    assert dropped == ()
