"""Gemini requests: what each part and option of a conversation becomes, what is named as left out, and what is refused."""

from __future__ import annotations

import base64
from copy import deepcopy
from typing import Any

import pytest

from app.errors import InvalidInput
from app.inference.conversation import (
    Audio,
    ContentSource,
    Conversation,
    Document,
    HostedTool,
    Image,
    Opaque,
    Options,
    OutputFormat,
    Part,
    Reasoning,
    RefusalText,
    Text,
    Thinking,
    ToolChoice,
    ToolDefinition,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.dialects.gemini import GEMINI
from app.inference.dialects.makers import of_gemini

Json = dict[str, Any]
OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
DUMMY = "skip_thought_signature_validator"
PNG = Image(ContentSource(data="iVBO"), "image/png")
HELLO = Turn("user", (Text("hello"),))


def asked(*turns: Turn, model: str = OLD, tools: tuple[Any, ...] = (), **options: Any) -> Conversation:
    return Conversation(model, turns or (HELLO,), tools, Options(**options))


def body(*turns: Turn, **more: Any) -> Json:
    return GEMINI.write_request(asked(*turns, **more)).body


def contents(*turns: Turn, **more: Any) -> list[Json]:
    found: list[Json] = body(*turns, **more)["contents"]
    return found


def dropped(*turns: Turn, **more: Any) -> tuple[str, ...]:
    return GEMINI.write_request(asked(*turns, **more)).dropped


def config(**more: Any) -> Json:
    found: Json = body(**more).get("generationConfig", {})
    return found


def call(name: str, number: int = 1, arguments: str = '{"a": 1}') -> ToolInvocation:
    return ToolInvocation(f"call_{number}", name, arguments)


def result(number: int, *parts: Part, failed: bool = False) -> ToolResult:
    return ToolResult(f"call_{number}", parts, failed)


# --- turns


def test_roles_are_user_and_model_and_the_system_stands_apart() -> None:
    found = body(
        Turn("system", (Text("be short"),)), HELLO, Turn("assistant", (Text("hi"),)), Turn("developer", (Text("in verse"),)), HELLO
    )
    assert found == {
        "systemInstruction": {"parts": [{"text": "be short"}, {"text": "in verse"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [{"text": "hi"}]},
            {"role": "user", "parts": [{"text": "hello"}]},
        ],
    }


def test_turns_of_one_speaker_become_one_content() -> None:
    assert contents(HELLO, HELLO, Turn("assistant", (Text("a"),)), Turn("assistant", (RefusalText("b"),))) == [
        {"role": "user", "parts": [{"text": "hello"}, {"text": "hello"}]},
        {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]},
    ]


def test_a_system_prompt_alone_is_asked_as_the_users() -> None:
    assert body(Turn("system", (Text("say hi"),))) == {"contents": [{"role": "user", "parts": [{"text": "say hi"}]}]}


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (PNG, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}),
        (Document(ContentSource(data="JVBE"), "application/pdf", "a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}}),
        (Document(ContentSource(data="JVBE")), {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}}),
        (
            Document(ContentSource(data=base64.b64encode("naïve".encode()).decode()), "text/plain", "a.txt"),
            {"text": '<document name="a.txt">\nnaïve\n</document>'},
        ),
        (Audio("UklG", "wav"), {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}),
        (Text("marked", cache="1h"), {"text": "marked"}),
    ],
)
def test_files_are_sent_inline_and_cache_marks_left_out(part: Part, written: Json) -> None:
    assert contents(Turn("user", (part,))) == [{"role": "user", "parts": [written]}]
    assert dropped(Turn("user", (part,))) == ()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Image(ContentSource(url="https://example.org/a.png")), "inline"),
        (Image(ContentSource(data="AAAA")), "media type"),
        (Image(ContentSource(url="https://example.org/a.png"), "image/png"), "inline"),
        (Image(ContentSource(file_id="file-1"), "image/png"), "inline"),
        (Image(ContentSource(data="AAAA"), "application/zip"), "not an image type"),
        (Document(ContentSource(url="https://example.org/a.pdf"), "application/pdf"), "inline"),
        (Document(ContentSource(data="UEsD"), "application/zip"), "PDF"),
        (Document(ContentSource(data="/w=="), "text/plain"), "UTF-8"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(part: Part, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        body(HELLO, Turn("user", (Text("see"), part)))
    assert caught.value.param == "turns[1].parts[1]"
    with pytest.raises(InvalidInput) as caught:
        body(Turn("user", (part,), places=("messages[3].content[0]",)))
    assert caught.value.param == "messages[3].content[0]"


def test_nothing_to_send_is_refused() -> None:
    with pytest.raises(InvalidInput, match="contains nothing that can be sent"):
        body(Turn("user", ()))


@pytest.mark.parametrize(
    ("turn", "name"),
    [
        (Turn("user", (Text("a"),), name="Ann"), "user.name"),
        (Turn("user", (Text("a"), Opaque("messages", "search_result", {}))), "user.search_result"),
        (Turn("assistant", (Text("a"), PNG)), "assistant.image"),
        (Turn("system", (Text("a"), PNG)), "system.image"),
        (Turn("assistant", (Thinking("hm", "anthropics"), Text("a"))), "assistant.thinking"),
        (Turn("assistant", (Thinking("", sealed="x", id="rs_1"), Text("a"))), "assistant.thinking"),
    ],
)
def test_what_the_format_cannot_say_is_named(turn: Turn, name: str) -> None:
    assert dropped(HELLO, turn) == (name,)


def test_parts_of_its_own_go_back_untouched() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert contents(HELLO, Turn("assistant", (Opaque("gemini", "executableCode", code),)))[1]["parts"] == [code]


# --- tool calls


def test_parallel_calls_are_answered_together_in_their_order_right_after_them() -> None:
    found = contents(
        HELLO,
        Turn("assistant", (Text("wait"), call("one", 1), call("two", 2, "not json"), call("three", 3, ""))),
        Turn("user", (Text("go on"), result(3), result(1, Text("a"), Text("b")), result(2, Text("no"), failed=True))),
    )
    assert found[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "wait"},
                {"functionCall": {"id": "call_1", "name": "one", "args": {"a": 1}}},
                {"functionCall": {"id": "call_2", "name": "two", "args": {"_raw": "not json"}}},
                {"functionCall": {"id": "call_3", "name": "three", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "call_1", "name": "one", "response": {"output": "a\nb"}}},
                {"functionResponse": {"id": "call_2", "name": "two", "response": {"error": "no"}}},
                {"functionResponse": {"id": "call_3", "name": "three", "response": {"output": ""}}},
                {"text": "go on"},
            ],
        },
    ]


def test_a_result_without_a_call_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match="call_7") as caught:
        body(HELLO, Turn("user", (result(7, Text("a")),)))
    assert caught.value.param == "turns[1].parts[0]"


def test_a_failed_call_without_words_says_that_it_failed() -> None:
    found = contents(HELLO, Turn("assistant", (call("one"),)), Turn("user", (result(1, failed=True),)))
    assert found[-1]["parts"][0]["functionResponse"]["response"] == {"error": "the tool failed"}


def test_a_picture_in_a_result_stands_within_it_or_after_it() -> None:
    turns = (HELLO, Turn("assistant", (call("look"), call("look", 2))), Turn("user", (result(1, Text("a"), PNG), result(2, Text("b")))))
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    one, two = contents(*turns, model=NEW)[-1]["parts"]
    assert one["functionResponse"]["parts"] == [inline]
    assert "parts" not in two["functionResponse"]
    one, two, told, picture = contents(*turns, model=OLD)[-1]["parts"]
    assert "parts" not in one["functionResponse"]
    assert "call_1" in told["text"]
    assert picture == inline


def test_a_custom_tool_goes_as_a_function() -> None:
    tool = ToolDefinition("patch", "Applies.", kind="custom", format={"type": "grammar", "syntax": "lark", "definition": "start: /x/"})
    found = body(
        HELLO,
        Turn("assistant", (ToolInvocation("c", "patch", "*** Begin", "custom"),)),
        Turn("user", (ToolResult("c", (Text("done"),), kind="custom"),)),
        tools=(tool,),
    )
    [declared] = found["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert "start: /x/" in declared["description"]
    assert found["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** Begin"}


# --- signatures


def signatures(*parts: Part, model: str) -> list[str | None]:
    """The signatures of the calls in one turn of the model's."""
    return [each.get("thoughtSignature") for each in contents(HELLO, Turn("assistant", parts), model=model)[1]["parts"]]


SIGNED = Thinking("let me see", of_gemini("c2ln"))


@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_signature_goes_back_on_the_call_that_it_came_with(model: str) -> None:
    assert signatures(SIGNED, call("one", 1), call("two", 2), model=model) == ["c2ln", None]
    assert signatures(SIGNED, call("one", 1), Thinking("", of_gemini("bW9y")), call("two", 2), model=model) == ["c2ln", "bW9y"]
    turns = (HELLO, Turn("assistant", (SIGNED, call("one"))), Turn("user", (result(1),)))
    assert dropped(*turns, model=model) == ()


@pytest.mark.parametrize("thought", [(), (Thinking("hm"),), (Thinking("hm", "anthropics"),), (Thinking("", sealed="x", id="rs_1"),)])
def test_a_call_that_another_model_made_goes_with_the_documented_dummy(thought: tuple[Thinking, ...]) -> None:
    assert signatures(*thought, call("one", 1), call("two", 2), model=NEW) == [DUMMY, None]
    assert signatures(*thought, call("one", 1), call("two", 2), model=OLD) == [None, None]


@pytest.mark.parametrize(
    ("model", "newer"),
    [
        ("gemini-3-flash", True),
        ("gemini-3.1-pro-preview", True),
        ("gemini-10-pro", True),
        ("gemini-flash-latest", True),
        ("models/gemini-3-pro", True),
        ("gemini-1.5-pro-002", False),
        ("gemini-2.0-flash", False),
        ("gemini-2.5-flash-lite", False),
        ("gemma-3-27b-it", False),
    ],
)
def test_an_unknown_name_is_taken_for_the_newest_generation(model: str, newer: bool) -> None:
    assert (signatures(call("one"), model=model) == [DUMMY]) == newer


# --- tools and options


def test_a_tool_is_declared_with_its_own_json_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/b"}]}}, "$defs": {"b": {"const": 1}}}
    found = body(tools=(ToolDefinition("look", "Looks.", schema, cache="5m"), ToolDefinition("go"), ToolDefinition("x", schema={"a": 1})))
    assert found["tools"] == [
        {
            "functionDeclarations": [
                {"name": "look", "description": "Looks.", "parametersJsonSchema": schema},
                {"name": "go"},
                {"name": "x", "parametersJsonSchema": {"type": "object", "a": 1}},
            ]
        }
    ]
    assert "toolConfig" not in found


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", "look"), {"mode": "ANY", "allowedFunctionNames": ["look"]}),
    ],
)
def test_a_tool_choice_becomes_a_mode(choice: ToolChoice, written: Json) -> None:
    assert body(tools=(ToolDefinition("look"),), tool_choice=choice)["toolConfig"] == {"functionCallingConfig": written}
    assert "toolConfig" not in body(tool_choice=choice)


def test_options_go_by_their_names_here() -> None:
    assert config(
        max_tokens=9,
        choices=2,
        temperature=0.0,
        top_p=0.9,
        top_k=40,
        stop=("a", "b"),
        seed=0,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        output_format=OutputFormat({"type": "object"}, "answer", strict=True),
    ) == {
        "maxOutputTokens": 9,
        "candidateCount": 2,
        "temperature": 0.0,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["a", "b"],
        "seed": 0,
        "presencePenalty": 0.5,
        "frequencyPenalty": -0.5,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
    assert config(output_format=OutputFormat()) == {"responseMimeType": "application/json"}
    assert config(choices=1, top_k=-1, presence_penalty=0.0) == {}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"verbosity": "low"}, "verbosity"),
        ({"user": "u"}, "user"),
        ({"seed": 2**31}, "seed"),
        ({"stop": tuple("abcdef")}, "stop"),
        ({"model": NEW, "presence_penalty": 1.0}, "presence_penalty"),
        ({"model": NEW, "frequency_penalty": 1.0}, "frequency_penalty"),
        ({"tools": (ToolDefinition("a"),), "parallel_tools": False}, "parallel_tool_calls"),
        ({"tools": (ToolDefinition("a", strict=True),)}, "tools.strict"),
        ({"tools": (HostedTool("messages", "web_search_20250305", {}),)}, "tools.web_search_20250305"),
        ({"other": {"logit_bias": {}}}, "logit_bias"),
    ],
)
def test_options_that_the_format_lacks_are_named(more: Json, name: str) -> None:
    assert dropped(**more) == (name,)


@pytest.mark.parametrize("more", [{"other": {"store": False}}, {"parallel_tools": True, "tools": (ToolDefinition("a", strict=False),)}])
def test_options_that_change_no_answer_are_not_named(more: Json) -> None:
    assert dropped(**more) == ()


@pytest.mark.parametrize(
    ("model", "reasoning", "written"),
    [
        (OLD, Reasoning(effort="low"), {"thinkingBudget": 1024, "includeThoughts": True}),
        (OLD, Reasoning(effort="max"), {"thinkingBudget": 16_384, "includeThoughts": True}),
        (OLD, Reasoning(budget_tokens=3000), {"thinkingBudget": 3000, "includeThoughts": True}),
        (OLD, Reasoning(budget_tokens=10**6), {"thinkingBudget": 24_576, "includeThoughts": True}),
        (OLD, Reasoning(adaptive=True), {"thinkingBudget": 2048, "includeThoughts": True}),
        (OLD, Reasoning(), {"includeThoughts": True}),
        (OLD, Reasoning(enabled=False), {"thinkingBudget": 0, "includeThoughts": False}),
        (OLD, Reasoning(effort="none"), {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-pro", Reasoning(enabled=False), {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.5-pro", Reasoning(budget_tokens=10**6), {"thinkingBudget": 32_768, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", Reasoning(budget_tokens=1), {"thinkingBudget": 512, "includeThoughts": True}),
        (NEW, Reasoning(effort="minimal"), {"thinkingLevel": "low", "includeThoughts": True}),
        (NEW, Reasoning(effort="medium"), {"thinkingLevel": "high", "includeThoughts": True}),
        (NEW, Reasoning(effort="xhigh"), {"thinkingLevel": "high", "includeThoughts": True}),
        (NEW, Reasoning(enabled=False), {"thinkingLevel": "low", "includeThoughts": False}),
        (NEW, Reasoning(budget_tokens=500), {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-flash", Reasoning(effort="minimal"), {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-3-flash", Reasoning(effort="none"), {"thinkingLevel": "minimal", "includeThoughts": False}),
        ("gemini-3.1-pro-preview", Reasoning(effort="medium"), {"thinkingLevel": "medium", "includeThoughts": True}),
    ],
)
def test_thinking_has_a_budget_or_a_level_by_the_models_generation(model: str, reasoning: Reasoning, written: Json) -> None:
    assert config(model=model, reasoning=reasoning) == {"thinkingConfig": written}


def test_the_conversation_is_left_as_it_is() -> None:
    given = asked(
        HELLO, Turn("assistant", (call("one"),)), Turn("user", (result(1, PNG),)), tools=(ToolDefinition("one", schema={"a": 1}),)
    )
    before = deepcopy(given)
    GEMINI.write_request(given)
    assert given == before
