"""Messages requests: JSON to conversation and back; each wrong field is named with its place."""

from __future__ import annotations

import base64
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
from app.inference.dialects.makers import of_gemini
from app.inference.dialects.messages import MESSAGES
from app.inference.dialects.messages.request_reading import read_request

Json = dict[str, Any]
USER = {"role": "user", "content": "hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "weather", "description": "of a city", "input_schema": SCHEMA}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
CALLED = ToolInvocation("toolu_1", "weather", '{"city":"Oslo"}')
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}


def body(*messages: Json, **fields: Any) -> Json:
    return {"model": "auto", "max_tokens": 100, "messages": list(messages) or [USER], **fields}


def said(*blocks: Json, role: str = "user") -> Json:
    return {"role": role, "content": list(blocks)}


def encoded(text: str) -> ContentSource:
    return ContentSource(data=base64.b64encode(text.encode()).decode())


def document(source: Json, **more: Any) -> Json:
    return {"type": "document", "source": source, **more}


PARTS: dict[str, tuple[Json, tuple[Part, ...]]] = {
    "text": ({"type": "text", "text": "hi"}, (Text("hi"),)),
    "text to keep": ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, (Text("hi", "5m"),)),
    "text to keep for an hour": (
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
        (Text("hi", "1h"),),
    ),
    "image": (PNG, (Image(ContentSource(data="iVBO"), "image/png"),)),
    "image by URL": (
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        (Image(ContentSource(url="https://x.test/a.png")),),
    ),
    "uploaded image": ({"type": "image", "source": {"type": "file", "file_id": "f1"}}, (Image(ContentSource(file_id="f1")),)),
    "PDF": (
        document({"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, title="a.pdf"),
        (Document(ContentSource(data="JVBE"), "application/pdf", "a.pdf"),),
    ),
    "text document": (
        document({"type": "text", "media_type": "text/plain", "data": "wörds"}, title="a.txt"),
        (Document(encoded("wörds"), "text/plain", "a.txt"),),
    ),
    "document of blocks": (
        document({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        (Document(encoded("a\nb"), "text/plain"),),
    ),
    "document with its context": (
        document({"type": "text", "media_type": "text/plain", "data": "w"}, context="from the wiki"),
        (Text("from the wiki"), Document(encoded("w"), "text/plain")),
    ),
    "document by URL": (
        document({"type": "url", "url": "https://x.test/a.pdf"}),
        (Document(ContentSource(url="https://x.test/a.pdf"), "application/pdf"),),
    ),
    "uploaded document": (document({"type": "file", "file_id": "f2"}), (Document(ContentSource(file_id="f2")),)),
    "search result": (
        {"type": "search_result", "title": "T", "source": "https://x.test", "content": [{"type": "text", "text": "found"}]},
        (Document(encoded("found"), "text/plain", "T (https://x.test)"),),
    ),
    "a block that only Messages knows": (
        {"type": "container_upload", "file_id": "f"},
        (Opaque("messages", "container_upload", {"type": "container_upload", "file_id": "f"}),),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_block_is_read_as_its_part(name: str) -> None:
    block, parts = PARTS[name]
    (turn,) = MESSAGES.read_request(body(said(block))).turns
    assert turn == Turn("user", parts)


@pytest.mark.parametrize(
    "name", [name for name in PARTS if name not in {"search result", "document of blocks", "document with its context"}]
)
def test_what_was_read_is_written_the_same(name: str) -> None:
    block, _ = PARTS[name]
    read = MESSAGES.read_request(body(said(block)))
    written = MESSAGES.write_request(read)
    (message,) = written.body["messages"]
    mark = block.get("cache_control", {})
    expected = {**block, **({"cache_control": {key: mark[key] for key in ("type", "ttl") if key in mark}} if mark else {})}
    assert message == said(expected)
    assert written.dropped == ()
    assert MESSAGES.read_request(written.body) == read


def test_a_whole_session_of_an_agent_is_read_and_written_again() -> None:
    thought = {"type": "thinking", "thinking": "look it up", "signature": "sig=="}
    sealed = {"type": "redacted_thinking", "data": "sealed=="}
    picture = {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "see"}, PNG], "is_error": True}
    given = body(
        USER,
        said(thought, sealed, {"type": "text", "text": "One moment."}, CALL, {**CALL, "id": "toolu_2"}, role="assistant"),
        said(RESULT, picture, {"type": "text", "text": "and?"}),
        system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        tools=[TOOL, {**TOOL, "name": "news", "strict": True, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )
    read = MESSAGES.read_request(given)
    image = Image(ContentSource(data="iVBO"), "image/png")
    assert read.turns == (
        Turn("system", (Text("Be brief."), Text("Be kind.", "5m"))),
        Turn("user", (Text("hello"),)),
        Turn(
            "assistant",
            (
                Thinking("look it up", "sig=="),
                Thinking("", sealed="sealed=="),
                Text("One moment."),
                CALLED,
                ToolInvocation("toolu_2", "weather", '{"city":"Oslo"}'),
            ),
        ),
        Turn(
            "user",
            (ToolResult("toolu_1", (Text("sunny"),)), ToolResult("toolu_2", (Text("see"), image), failed=True), Text("and?")),
        ),
    )
    assert read.tools == (
        ToolDefinition("weather", "of a city", SCHEMA),
        ToolDefinition("news", "of a city", SCHEMA, strict=True, cache="1h"),
    )
    assert (read.options.tool_choice, read.options.parallel_tools) == (ToolChoice("auto"), False)
    assert read.dialect == "messages"
    written = MESSAGES.write_request(read)
    assert written.dropped == ()
    assert written.body["system"] == given["system"]
    assert written.body["tools"] == given["tools"]
    assert written.body["tool_choice"] == given["tool_choice"]
    assert written.body["messages"][1] == given["messages"][1]
    assert MESSAGES.read_request(written.body) == read


OPTIONS: dict[str, tuple[Json, Options]] = {
    "numbers": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END", "\n"]},
        Options(max_tokens=100, temperature=0.5, top_p=0.9, top_k=40, stop=("END", "\n")),
    ),
    "user": ({"metadata": {"user_id": "u-1"}}, Options(max_tokens=100, user="u-1")),
    "thinking": (
        {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 4999}},
        Options(max_tokens=5000, reasoning=Reasoning(budget_tokens=4999)),
    ),
    "least thinking": (
        {"max_tokens": 1025, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        Options(max_tokens=1025, reasoning=Reasoning(budget_tokens=1024)),
    ),
    "adaptive": ({"thinking": {"type": "adaptive"}}, Options(max_tokens=100, reasoning=Reasoning(adaptive=True))),
    "adaptive, summarised": (
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        Options(max_tokens=100, reasoning=Reasoning(adaptive=True, summary="auto")),
    ),
    "adaptive, omitted": (
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        Options(max_tokens=100, reasoning=Reasoning(adaptive=True), other={"thinking.display": "omitted"}),
    ),
    "no thinking": ({"thinking": {"type": "disabled"}}, Options(max_tokens=100, reasoning=Reasoning(enabled=False))),
    "effort": ({"output_config": {"effort": "high"}}, Options(max_tokens=100, reasoning=Reasoning(effort="high"))),
    "effort and thinking": (
        {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
        Options(max_tokens=100, reasoning=Reasoning(effort="low", adaptive=True)),
    ),
    "form": (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        Options(max_tokens=100, output_format=OutputFormat(SCHEMA, strict=True)),
    ),
    "what only Messages knows": (
        {"service_tier": "auto", "container": "c", "context_management": {"edits": []}, "output_config": {"task_budget": 5}},
        Options(
            max_tokens=100,
            other={"service_tier": "auto", "container": "c", "context_management": {"edits": []}, "output_config.task_budget": 5},
        ),
    ),
    "any tool": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, Options(max_tokens=100, tool_choice=ToolChoice("required"))),
    "no tool": ({"tools": [TOOL], "tool_choice": {"type": "none"}}, Options(max_tokens=100, tool_choice=ToolChoice("none"))),
    "one tool": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": False}},
        Options(max_tokens=100, tool_choice=ToolChoice("named", "weather"), parallel_tools=True),
    ),
    "a tool's own fields": (
        {"tools": [{**TOOL, "defer_loading": True, "input_examples": [{"city": "Rome"}]}]},
        Options(max_tokens=100, other={"tools.defer_loading": {"weather": True}, "tools.input_examples": {"weather": [{"city": "Rome"}]}}),
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_read_and_written_again(name: str) -> None:
    fields, options = OPTIONS[name]
    given = body(**fields)
    read = MESSAGES.read_request(given)
    assert read.options == options
    written = MESSAGES.write_request(read)
    assert written.dropped == ()
    assert {name: written.body.get(name) for name in fields} == fields
    assert MESSAGES.read_request(written.body) == read


def test_an_older_name_of_the_answers_form_is_read() -> None:
    read = MESSAGES.read_request(body(output_format={"type": "json_schema", "schema": SCHEMA}))
    assert read.options.output_format == OutputFormat(SCHEMA, strict=True)


def test_a_wish_for_citations_is_named_as_lost() -> None:
    cited = document({"type": "text", "media_type": "text/plain", "data": "w"}, citations={"enabled": True})
    read = MESSAGES.read_request(body(said(cited)))
    assert read.options.other == {"document.citations": True}
    plain = document({"type": "text", "media_type": "text/plain", "data": "w"}, citations={"enabled": False})
    assert MESSAGES.read_request(body(said(plain))).options.other == {}


def test_hosted_tools_are_kept_as_they_are() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    read = MESSAGES.read_request(body(tools=[search], tool_choice={"type": "tool", "name": "web_search"}))
    assert read.tools == (HostedTool("messages", "web_search_20250305", search),)
    assert MESSAGES.write_request(read).body["tools"] == [search]


def test_max_tokens_may_be_missing_only_where_tokens_are_counted() -> None:
    given = {"model": "auto", "messages": [USER]}
    assert read_request(given, counted=True).options.max_tokens is None
    with pytest.raises(InvalidInput, match=r"^max_tokens is missing"):
        MESSAGES.read_request(given)


def test_empty_texts_are_no_parts_and_an_empty_prefill_is_no_turn() -> None:
    read = MESSAGES.read_request(
        body(said({"type": "text", "text": ""}, {"type": "text", "text": "x"}), {"role": "assistant", "content": ""})
    )
    assert read.turns == (Turn("user", (Text("x"),)),)


def test_a_system_message_may_stand_among_the_others() -> None:
    read = MESSAGES.read_request(body(USER, {"role": "system", "content": "Be brief."}, USER))
    assert [turn.role for turn in read.turns] == ["user", "system", "user"]


def test_results_may_come_in_several_messages() -> None:
    calls = said(CALL, {**CALL, "id": "toolu_2"}, role="assistant")
    read = MESSAGES.read_request(
        body(USER, calls, said(RESULT), said({**RESULT, "tool_use_id": "toolu_2"}), said({"type": "text", "text": "ok"}, role="assistant"))
    )
    assert len(read.turns) == 5
    assert [message["role"] for message in MESSAGES.write_request(read).body["messages"]] == ["user", "assistant", "user", "assistant"]


def test_an_assistants_last_message_may_call_a_tool() -> None:
    assert MESSAGES.read_request(body(USER, said(CALL, role="assistant"))).turns[-1].parts == (CALLED,)


WRONG: dict[str, tuple[Json, str | None, str]] = {
    "no model": ({**body(), "model": None}, "model", "is missing"),
    "no messages": (body(messages=[]), "messages", "contains no user message"),
    "messages that are no list": (body(messages="hi"), "messages", "must be a list, not a string"),
    "a message that is no object": (body(messages=["hi"]), "messages[0]", "must be an object"),
    "another role": (body({"role": "tool", "content": "x"}), "messages[0].role", "must be one of"),
    "no role": (body({"content": "x"}), "messages[0].role", "is missing"),
    "no content": (body({"role": "user"}), "messages[0].content", "must be a string or a list of blocks, not null"),
    "an empty content": (body({"role": "user", "content": ""}), "messages[0].content", "is empty"),
    "a block that is no object": (body(USER, {"role": "user", "content": ["x"]}), "messages[1].content[0]", "must be an object"),
    "a block without a type": (body(said({"text": "x"})), "messages[0].content[0].type", "is missing"),
    "a text that is a number": (body(said({"type": "text", "text": 5})), "messages[0].content[0].text", "must be a string, not a number"),
    "an image without a source": (body(said({"type": "image"})), "messages[0].content[0].source", "is missing"),
    "an image of another type": (
        body(said({"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "x"}})),
        "messages[0].content[0].source.media_type",
        "must be one of image/gif",
    ),
    "an image by plain http": (
        body(said({"type": "image", "source": {"type": "url", "url": "http://x.test/a.png"}})),
        "messages[0].content[0].source.url",
        "must begin with https://",
    ),
    "an image of the assistant's": (body(USER, said(PNG, role="assistant")), "messages[1].content[0]", "is a image block"),
    "a result of the assistant's": (
        body(USER, said(RESULT, role="assistant")),
        "messages[1].content[0]",
        "is allowed only in a message of the role user",
    ),
    "a call of the user's": (body(said(CALL)), "messages[0].content[0]", "is allowed only in a message of the role assistant"),
    "a tool result without its call": (body(said(RESULT)), "messages[0].content[0].tool_use_id", "no earlier message"),
    "a call without its result": (body(USER, said(CALL, role="assistant"), USER), "messages[1].content[0]", "has no result"),
    "a call whose result comes too late": (
        body(USER, said(CALL, role="assistant"), USER, {"role": "assistant", "content": "so"}, said(RESULT)),
        "messages[1].content[0]",
        "has no result before messages[3]",
    ),
    "a call within a result": (
        body(USER, said(CALL, role="assistant"), said({**RESULT, "content": [CALL]})),
        "messages[2].content[0].content[0]",
        "within a tool's result",
    ),
    "a call without input": (
        body(USER, said({"type": "tool_use", "id": "a", "name": "b"}, role="assistant")),
        "messages[1].content[0].input",
        "is missing",
    ),
    "a document without a source": (body(said({"type": "document"})), "messages[0].content[0].source", "is missing"),
    "a document of another source": (body(said(document({"type": "x"}))), "messages[0].content[0].source.type", "must be base64, text"),
    "a document of images": (
        body(said(document({"type": "content", "content": [PNG]}))),
        "messages[0].content[0].source.content[0].type",
        "must be text here",
    ),
    "a mark of another kind": (
        body(said({"type": "text", "text": "x", "cache_control": {"type": "for ever"}})),
        "messages[0].content[0].cache_control.type",
        "must be ephemeral",
    ),
    "a mark of another lifetime": (
        body(said({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}})),
        "messages[0].content[0].cache_control.ttl",
        "must be one of",
    ),
    "a system prompt of images": (body(system=[PNG]), "system[0].type", "must be text"),
    "a system prompt that is a number": (body(system=5), "system", "must be a string or a list of text blocks"),
    "max_tokens of zero": (body(max_tokens=0), "max_tokens", "must be a whole number"),
    "max_tokens as text": (body(max_tokens="10"), "max_tokens", "must be a whole number"),
    "too hot": (body(temperature=1.5), "temperature", "must be a number from 0 to 1"),
    "stop sequences that are none": (body(stop_sequences=["a", ""]), "stop_sequences[1]", "must be a string"),
    "too small a budget": (
        body(max_tokens=9000, thinking={"type": "enabled", "budget_tokens": 1023}),
        "thinking.budget_tokens",
        "must be a whole number from 1,024",
    ),
    "too large a budget": (
        body(max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 2000}),
        "thinking.budget_tokens",
        "must be less than max_tokens",
    ),
    "no budget": (body(thinking={"type": "enabled"}), "thinking.budget_tokens", "is missing"),
    "thinking of another kind": (body(thinking={"type": "deep"}), "thinking.type", "must be enabled"),
    "a stored conversation": (body(thread={"type": "continue", "previous_message_id": "m"}), "thread", "Send the whole conversation"),
    "an effort of another name": (body(output_config={"effort": "huge"}), "output_config.effort", "must be one of"),
    "a form of another kind": (body(output_config={"format": {"type": "xml"}}), "output_config.format.type", "must be json_schema"),
    "a tool without a name": (body(tools=[{"input_schema": SCHEMA}]), "tools[0].name", "is missing"),
    "a tool with an odd name": (body(tools=[{**TOOL, "name": "a b"}]), "tools[0].name", "may contain only letters"),
    "a tool without a schema": (body(tools=[{"name": "a"}]), "tools[0].input_schema", "is missing"),
    "a tool whose schema is a list": (
        body(tools=[{"name": "a", "input_schema": {"type": "array"}}]),
        "tools[0].input_schema.type",
        "object",
    ),
    "the same tool twice": (body(tools=[TOOL, TOOL]), "tools[1].name", "another tool has already"),
    "10,000 tools": (body(tools=[TOOL] * 10_000), "tools", "has 10,000 elements: at most 512"),
    "a choice among no tools": (body(tool_choice={"type": "any"}), "tool_choice", "has no tools"),
    "a choice of no tool": (body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}), "tool_choice.name", "none of the tools"),
    "a choice of another kind": (body(tools=[TOOL], tool_choice={"type": "most"}), "tool_choice.type", "must be one of"),
    "a choice without a kind": (body(tools=[TOOL], tool_choice={}), "tool_choice.type", "is missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_place(name: str) -> None:
    given, param, words = WRONG[name]
    with pytest.raises(InvalidInput) as caught:
        MESSAGES.read_request(given)
    assert caught.value.param == param
    assert words in caught.value.message


# What other dialects' conversations become.


def written(*turns: Turn, tools: tuple[ToolDefinition | HostedTool, ...] = (), options: Options = Options(), dialect: Any = "chat") -> Any:  # noqa: B008
    return MESSAGES.write_request(Conversation("m", turns or (Turn("user", (Text("hi"),)),), tools, options, dialect))


def test_system_and_developer_turns_become_the_system_prompt() -> None:
    made = written(Turn("system", (Text("a"),)), Turn("user", (Text("b"),)), Turn("developer", (Text("c"),)))
    assert made.body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "c"}]
    assert made.body["messages"] == [said({"type": "text", "text": "b"})]


def test_results_come_first_in_their_message() -> None:
    call = Turn("assistant", (CALLED,))
    made = written(Turn("user", (Text("hi"),)), call, Turn("user", (Text("and?"), ToolResult("toolu_1", (Text("sunny"),)))))
    assert [block["type"] for block in made.body["messages"][2]["content"]] == ["tool_result", "text"]


def test_a_bound_is_given_where_the_conversation_has_none() -> None:
    assert written().body["max_tokens"] > 0


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ("  ", {}), ('{"a": 1}', {"a": 1}), ('{"a": ', {"_raw": '{"a": '}), ("[1]", {"_raw": "[1]"}), ("no", {"_raw": "no"})],
)
def test_arguments_become_an_object_or_stand_in_one_as_they_are(arguments: str, given: Json) -> None:
    made = written(Turn("assistant", (ToolInvocation("a", "f", arguments),)), Turn("user", (ToolResult("a", ()),)))
    assert made.body["messages"][0]["content"][0]["input"] == given


def test_a_custom_tool_becomes_one_that_takes_an_object() -> None:
    tool = ToolDefinition("sh", "runs it", kind="custom", format={"type": "grammar", "syntax": "lark", "definition": "start: x"})
    call = Turn("assistant", (ToolInvocation("c.1", "sh", "ls", "custom"),))
    made = written(call, Turn("user", (ToolResult("c.1", (Text("ok"),), kind="custom"),)), tools=(tool,))
    assert made.body["tools"][0]["input_schema"]["required"] == ["input"]
    assert "start: x" in made.body["tools"][0]["description"]
    assert made.body["messages"][0]["content"] == [{"type": "tool_use", "id": "c_1", "name": "sh", "input": {"input": "ls"}}]
    assert made.body["messages"][1]["content"][0]["tool_use_id"] == "c_1"


def test_what_can_not_be_said_is_named() -> None:
    options = Options(
        choices=2,
        temperature=1.5,
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        verbosity="low",
        output_format=OutputFormat(),
        other={"logit_bias": {}, "store": False},
    )
    made = written(
        Turn("user", (Text("hi"), Opaque("responses", "input_x", {})), name="ann"),
        Turn("assistant", (Thinking("unsigned"), RefusalText("no"), Image(ContentSource(data="x"), "image/png"))),
        tools=(HostedTool("responses", "web_search", {}),),
        options=options,
    )
    assert set(made.dropped) == {
        "user.input_x", "user.name", "assistant.thinking", "assistant.image", "tools.web_search", "seed", "presence_penalty",
        "frequency_penalty", "verbosity", "n", "temperature", "response_format", "logit_bias",
    }  # fmt: skip
    assert made.body["temperature"] == 1.0
    assert "tools" not in made.body


def test_thinking_that_another_vendor_sealed_is_not_sent() -> None:
    made = written(Turn("user", (Text("x"),)), Turn("assistant", (Thinking("", sealed="s", id="rs_1"), Text("y"))), dialect="responses")
    assert made.body["messages"][1]["content"] == [{"type": "text", "text": "y"}]
    assert made.dropped == ("assistant.thinking",)


def test_thinking_that_gemini_signed_is_not_sent() -> None:
    made = written(Turn("user", (Text("x"),)), Turn("assistant", (Thinking("hm", of_gemini("c2ln")), Text("y"))))
    assert made.body["messages"][1]["content"] == [{"type": "text", "text": "y"}]
    assert made.dropped == ("assistant.thinking",)


@pytest.mark.parametrize(
    ("reasoning", "thinking", "config"),
    [
        (Reasoning(effort="high"), {"type": "adaptive"}, {"effort": "high"}),
        (Reasoning(effort="minimal"), {"type": "adaptive"}, {"effort": "low"}),
        (Reasoning(effort="none"), {"type": "disabled"}, None),
        (Reasoning(enabled=False), {"type": "disabled"}, None),
        (Reasoning(budget_tokens=9_999), {"type": "enabled", "budget_tokens": 3_999}, None),
        (Reasoning(effort="low", summary="auto"), {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
    ],
)
def test_an_effort_of_another_dialect_lets_the_model_think(reasoning: Reasoning, thinking: Json, config: Json | None) -> None:
    made = written(options=Options(max_tokens=4_000, reasoning=reasoning))
    assert (made.body.get("thinking"), made.body.get("output_config")) == (thinking, config)


def test_a_recording_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"^turns\[0\].parts\[1\] is an audio recording"):
        written(Turn("user", (Text("listen"), Audio("x", "wav"))))


def test_nothing_to_send_is_refused() -> None:
    with pytest.raises(InvalidInput, match="contains nothing that can be sent to a provider"):
        written(Turn("system", (Text("x"),)))
