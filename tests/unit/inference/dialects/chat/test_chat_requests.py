"""Chat Completions requests: JSON to a conversation and back, and every refusal with its path."""

from __future__ import annotations

import base64
from dataclasses import replace
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
from app.inference.dialects.chat import CHAT
from app.inference.dialects.wrapped_tools import wrapped

PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
USER = {"role": "user", "content": "Is it warm in Oslo?"}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
        {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bergen" }'}},
    ],
}


def turns(*messages: dict[str, Any]) -> tuple[Turn, ...]:
    return CHAT.read_request({"model": "auto", "messages": list(messages)}).turns


def written(*given: Turn, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = CHAT.write_request(Conversation("auto", given, **more)).body["messages"]
    return found


def calls(*invocations: ToolInvocation) -> Turn:
    return Turn("assistant", invocations)


MESSAGES: list[tuple[dict[str, Any], Turn]] = [
    ({"role": "system", "content": "Be brief."}, Turn("system", (Text("Be brief."),))),
    ({"role": "developer", "content": "Be brief."}, Turn("developer", (Text("Be brief."),))),
    ({"role": "user", "content": "Hi", "name": "ann"}, Turn("user", (Text("Hi"),), name="ann")),
    ({"role": "user", "content": ""}, Turn("user", ())),
    (
        {
            "role": "system",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}],
        },
        Turn("system", (Text("a"), Text("b", "5m"))),
    ),
    (
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}, "cache_control": {"type": "ephemeral"}},
            ],
        },
        Turn(
            "user",
            (
                Text("what?"),
                Image(ContentSource(data=PNG), "image/png", "low"),
                Image(ContentSource(url="https://example.org/a.jpg"), cache="5m"),
            ),
        ),
    ),
    ({"role": "assistant", "content": "Yes."}, Turn("assistant", (Text("Yes."),))),
    (
        {"role": "assistant", "content": [{"type": "text", "text": "Well,"}, {"type": "refusal", "refusal": "no"}]},
        Turn("assistant", (Text("Well,"), RefusalText("no"))),
    ),
    (
        CALLING,
        calls(
            ToolInvocation("call_a", "weather", '{"city": "Oslo"}'),
            ToolInvocation("call_b", "weather", '{"city":"Bergen" }'),
        ),
    ),
    (
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "warm?", "signature": "sig=="},
                {"type": "redacted_thinking", "data": "sealed=="},
            ],
        },
        Turn("assistant", (Thinking("warm?", signature="sig=="), Thinking("", sealed="sealed=="), Text("Let me see."))),
    ),
]


@pytest.mark.parametrize(("message", "turn"), MESSAGES)
def test_a_message_reads_as_its_turn_and_is_written_as_it_was(message: dict[str, Any], turn: Turn) -> None:
    assert turns(message) == (turn,)
    assert written(turn) == [message]


@pytest.mark.parametrize(
    ("message", "turn"),
    [
        ({"role": "user", "content": None}, Turn("user", ())),
        ({"role": "assistant", "content": None, "refusal": "I can't."}, Turn("assistant", (RefusalText("I can't."),))),
        (
            {"role": "assistant", "content": "Yes.", "reasoning_content": "hm", "annotations": [], "audio": None},
            Turn("assistant", (Thinking("hm"), Text("Yes."))),
        ),
        ({"role": "assistant", "content": "Yes.", "reasoning": "hm"}, Turn("assistant", (Thinking("hm"), Text("Yes.")))),
        (
            {"role": "assistant", "content": "", "reasoning_content": "a", "thinking_blocks": [{"type": "thinking", "thinking": "a"}]},
            Turn("assistant", (Thinking("a"),)),
        ),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "text", "text": "b"}]},
            Turn("assistant", (Thinking("a", signature="s"), Text("b"))),
        ),
        (
            {"role": "system", "content": "keep me", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Turn("system", (Text("keep me", "1h"),)),
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}]},
            Turn("user", (Document(ContentSource(data="JVBE"), "application/pdf", "a.pdf"),)),
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]},
            Turn("user", (Document(ContentSource(file_id="file_1")),)),
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]},
            Turn("user", (Audio("UklG", "wav"),)),
        ),
        (
            {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://e.org/v"}}]},
            Turn("user", (Opaque("chat", "video_url", {"type": "video_url", "video_url": {"url": "https://e.org/v"}}),)),
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
            calls(ToolInvocation("c", "sh", "ls", "custom")),
        ),
    ],
)
def test_what_reads_but_is_written_otherwise(message: dict[str, Any], turn: Turn) -> None:
    assert turns(message) == (turn,)


def test_results_that_follow_each_other_are_one_turn_and_know_the_kind_of_their_call() -> None:
    custom = {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]}
    found = turns(
        USER,
        CALLING,
        {"role": "tool", "tool_call_id": "call_a", "content": "12 °C"},
        {"role": "tool", "tool_call_id": "call_b", "content": [{"type": "text", "text": "9 °C"}], "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": "And now?"},
        custom,
        {"role": "tool", "tool_call_id": "c", "content": ""},
    )
    assert found[2] == Turn("user", (ToolResult("call_a", (Text("12 °C"),)), ToolResult("call_b", (Text("9 °C"),), cache="5m")))
    assert found[3] == Turn("user", (Text("And now?"),))
    assert found[5] == Turn("user", (ToolResult("c", (), kind="custom"),))


def test_the_older_form_of_calls_reads_like_the_newer_one() -> None:
    found = turns(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "12 °C"},
    )
    call = found[1].parts[0]
    assert isinstance(call, ToolInvocation)
    assert (call.name, call.arguments) == ("weather", "{}")
    assert found[2] == Turn("user", (ToolResult(call.id, (Text("12 °C"),)),))


OPTIONS: list[tuple[dict[str, Any], Options]] = [
    ({"max_tokens": 5}, Options(max_tokens=5)),
    ({"n": 3, "temperature": 0.5, "top_p": 0.1, "seed": 7}, Options(choices=3, temperature=0.5, top_p=0.1, seed=7)),
    ({"presence_penalty": 1, "frequency_penalty": -1, "user": "u"}, Options(presence_penalty=1, frequency_penalty=-1, user="u")),
    ({"stop": ["a", "b"], "top_k": 40}, Options(stop=("a", "b"), top_k=40)),
    ({"reasoning_effort": "high", "verbosity": "low"}, Options(reasoning=Reasoning(effort="high"), verbosity="low")),
    ({"reasoning_effort": "none"}, Options(reasoning=Reasoning(enabled=False, effort="none"))),
    ({"response_format": {"type": "json_object"}}, Options(output_format=OutputFormat())),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}},
        Options(output_format=OutputFormat(SCHEMA, "city", strict=True)),
    ),
    (
        {"logprobs": True, "top_logprobs": 2, "logit_bias": {"5": -100}, "service_tier": "flex", "metadata": {"a": "b"}},
        Options(other={"logprobs": True, "top_logprobs": 2, "logit_bias": {"5": -100}, "service_tier": "flex", "metadata": {"a": "b"}}),
    ),
]


@pytest.mark.parametrize(("fields", "options"), OPTIONS)
def test_options_read_and_are_written_as_they_were(fields: dict[str, Any], options: Options) -> None:
    body = {"model": "auto", "messages": [USER], **fields}
    read = CHAT.read_request(body)
    assert read.options == options
    assert read.options.other == options.other
    again = CHAT.write_request(read)
    assert (again.body, again.dropped) == (body, ())


def test_transport_and_spellings_are_no_options() -> None:
    read = CHAT.read_request({
        "model": "auto", "messages": [USER], "stream": True, "stream_options": {"include_usage": True}, "cache": False, "stop": "x",
        "max_completion_tokens": 9, "max_tokens": 5, "response_format": {"type": "text"}, "n": 1, "seed": None,
    })  # fmt: skip
    assert read.options == Options(max_tokens=9, stop=("x",))
    assert read.options.other == {}
    assert read.dialect == "chat"


TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("fields", "tool", "choice"),
    [
        ({"tools": [TOOL]}, ToolDefinition("weather", "Tells it.", SCHEMA, strict=True), None),
        (
            {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}], "tool_choice": "required", "parallel_tool_calls": False},
            ToolDefinition("weather", "Tells it.", SCHEMA, strict=True, cache="5m"),
            ToolChoice("required"),
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            ToolDefinition("weather", "Tells it.", SCHEMA, strict=True),
            ToolChoice("named", "weather"),
        ),
    ],
)
def test_tools_read_and_are_written_as_they_were(fields: dict[str, Any], tool: ToolDefinition, choice: ToolChoice | None) -> None:
    body = {"model": "auto", "messages": [USER], **fields}
    read = CHAT.read_request(body)
    assert (read.tools, read.options.tool_choice) == ((tool,), choice)
    assert tool.schema == read.tools[0].schema  # type: ignore[union-attr]
    assert CHAT.write_request(read).body == body


def test_custom_tools_and_older_functions_are_written_as_functions() -> None:
    read = CHAT.read_request({
        "model": "auto",
        "messages": [USER],
        "tools": [{"type": "custom", "custom": {"name": "sh", "description": "Runs.", "format": {"type": "grammar", "grammar": {
            "syntax": "lark", "definition": "start: /.+/"}}}}],
        "functions": [{"name": "old"}],
        "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
    })  # fmt: skip
    custom = ToolDefinition("sh", "Runs.", kind="custom", format=GRAMMAR)
    assert read.tools == (custom, ToolDefinition("old"))
    assert read.tools[0].format == GRAMMAR
    body = CHAT.write_request(read).body
    made = wrapped(custom)
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "sh", "description": made.description, "parameters": made.schema},
    }
    assert body["tools"][1] == {"type": "function", "function": {"name": "old"}}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "sh"}}


def test_a_choice_of_several_allowed_tools_is_passed_on() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]}}
    body = {"model": "auto", "messages": [USER], "tools": [TOOL], "tool_choice": choice}
    assert CHAT.write_request(CHAT.read_request(body)).body == body


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"model": ""}, "model", "is missing"),
        ({"messages": []}, "messages", "is empty"),
        ({"messages": "hi"}, "messages", "must be a list, not a string"),
        ({"messages": [USER, 5]}, "messages[1]", "must be an object, not a number"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role", "is missing"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role", "must be one of assistant, developer"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "must be a string or a list of parts, not a number"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, "messages[0].content[0].type", "is missing"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "is missing"),
        (
            {"messages": [USER, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}]}]},
            "messages[1].content[0].image_url.url",
            "must be an image inline",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBE"}}]}]},
            "messages[0].content[0].file.file_data",
            "must be the file inline",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf"}}]}]},
            "messages[0].content[0].file.file_data",
            "is missing",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "is missing"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].name", "no earlier message"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.name",
            "is missing",
        ),
        (
            {"messages": [{"role": "assistant", "content": "a", "thinking_blocks": [{"type": "dreaming"}]}]},
            "messages[0].thinking_blocks[0].type",
            "must be thinking or redacted_thinking",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "forever"}}]}]},
            "messages[0].content[0].cache_control.type",
            "must be ephemeral",
        ),
        ({"messages": [{"role": "user", "content": "a", "name": "a\nb"}]}, "messages[0].name", "must be printable"),
        ({"max_tokens": 0}, "max_tokens", "must be a whole number from 1"),
        ({"temperature": "warm"}, "temperature", "must be a number from 0 to 2"),
        ({"stop": [5]}, "stop", "must be a string or a list of strings"),
        ({"stop": ["a"] * 17}, "stop", "at most 16"),
        ({"logprobs": "yes"}, "logprobs", "must be true or false"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "must be function or custom"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "may have up to 128 letters"),
        ({"tools": [TOOL] * 513}, "tools", "has 513 elements: at most 512"),
        ({"tool_choice": "weather"}, "tool_choice", "must be auto, none, required, or"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "must be one of json_object"),
        ({"response_format": {}}, "response_format.type", "is missing"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort", "must be one of high"),
    ],
)
def test_a_wrong_request_is_refused_by_its_path(fields: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        CHAT.read_request({"model": "auto", "messages": [USER], **fields})
    assert raised.value.param == path
    assert raised.value.message.startswith(f"{path} ")
    assert words in raised.value.message


A, B = ToolInvocation("a", "look", '{"x":1}'), ToolInvocation("b", "look", '{"x":2}')
PICTURE = Image(ContentSource(data=PNG), "image/png")


def test_results_stand_right_after_their_calls_whatever_stands_between() -> None:
    found = written(
        Turn("user", (Text("go"),)),
        calls(A),
        calls(B),
        Turn("user", (Text("hurry"), ToolResult("b", (Text("two"),)), ToolResult("a", (Text("one"),)))),
    )
    assert [(each["role"], each.get("tool_call_id")) for each in found] == [
        ("user", None),
        ("assistant", None),
        ("tool", "a"),
        ("assistant", None),
        ("tool", "b"),
        ("user", None),
    ]
    assert found[-1]["content"] == "hurry"


def test_an_id_that_is_used_again_belongs_to_the_latest_call() -> None:
    found = written(calls(A), Turn("user", (ToolResult("a", (Text("one"),)),)), calls(A), Turn("user", (ToolResult("a", (Text("two"),)),)))
    assert [each.get("content") for each in found] == [None, "one", None, "two"]


def test_pictures_of_results_follow_all_results_in_a_message_that_names_their_calls() -> None:
    found = written(
        calls(A, B),
        Turn("user", (ToolResult("a", (Text("seen"), PICTURE)), ToolResult("b", (PICTURE,)), Text("well?"))),
    )
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert found[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
        {"role": "tool", "tool_call_id": "b", "content": "The result is a picture: see the user's next message."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "From the result of the call a of the tool look:"},
                url,
                {"type": "text", "text": "From the result of the call b of the tool look:"},
                url,
            ],
        },
        {"role": "user", "content": "well?"},
    ]


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((Text("no such file"),), "Error: no such file"),
        ((Text("Error: no such file"),), "Error: no such file"),
        ((), "Error: the tool failed."),
        ((PICTURE,), "Error: The result is a picture: see the user's next message."),
    ],
)
def test_a_failed_result_says_so(parts: tuple[Part, ...], content: str) -> None:
    assert written(calls(A), Turn("user", (ToolResult("a", parts, failed=True),)))[1]["content"] == content


def test_a_custom_call_is_written_as_a_function_with_its_text_in_it() -> None:
    call = written(calls(ToolInvocation("c", "apply_patch", '+"é"\n', "custom")))[0]["tool_calls"][0]
    assert call == {"id": "c", "type": "function", "function": {"name": "apply_patch", "arguments": '{"input":"+\\"é\\"\\n"}'}}


@pytest.mark.parametrize("arguments", ['{"a": 1,  "b": [ ]}', '{"broken": ', "not json", "[1]"])
def test_arguments_are_passed_on_as_the_model_wrote_them(arguments: str) -> None:
    assert written(calls(ToolInvocation("c", "f", arguments)))[0]["tool_calls"][0]["function"]["arguments"] == arguments


def test_a_text_document_becomes_text_under_its_name() -> None:
    data = base64.b64encode("naïve".encode()).decode()
    document = Document(ContentSource(data=data), "text/markdown", "a.md", cache="5m")
    assert written(Turn("user", (document,)))[0]["content"] == [
        {"type": "text", "text": '<document name="a.md">\nnaïve\n</document>', "cache_control": {"type": "ephemeral"}}
    ]


@pytest.mark.parametrize(
    ("document", "file"),
    [
        (
            Document(ContentSource(data="JVBE"), "application/pdf", "a.pdf"),
            {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
        ),
        (
            Document(ContentSource(data="JVBE"), "application/pdf"),
            {"file_data": "data:application/pdf;base64,JVBE", "filename": "document.pdf"},
        ),
        (Document(ContentSource(url="https://e.org/a.pdf"), None, "a.pdf"), {"file_url": "https://e.org/a.pdf", "filename": "a.pdf"}),
        (Document(ContentSource(file_id="file_1")), {"file_id": "file_1"}),
    ],
)
def test_a_document_with_pages_is_a_file(document: Document, file: dict[str, Any]) -> None:
    marked = replace(document, cache="1h")
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert written(Turn("user", (document,)))[0]["content"] == [{"type": "file", "file": file}]
    assert written(Turn("user", (marked,)))[0]["content"] == [{"type": "file", "file": file, "cache_control": mark}]
    after = written(calls(A), Turn("user", (ToolResult("a", (document,)),)))
    assert after[1]["content"] == "The result is a document: see the user's next message."
    assert after[2]["content"][1] == {"type": "file", "file": file}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Document(ContentSource(data="UEsD"), "application/msword", "a.doc"), "is a document (a.doc) of application/msword, whose price"),
        (Document(ContentSource(url="http://e.org/a.pdf"), "application/pdf"), "is a document of application/pdf, whose price"),
        (Document(ContentSource(url="https://e.org/a.txt"), "text/plain"), "is a document of text/plain, whose price"),
        (Document(ContentSource(data="/w=="), "text/plain"), "is a document of text/plain that is not base64-encoded UTF-8 text"),
        (Document(ContentSource(data="!"), "text/plain"), "is a document of text/plain that is not base64-encoded UTF-8 text"),
        (Audio("UklG", "wav"), "is a recording, whose highest price"),
        (Image(ContentSource(file_id="file_1")), "is an image without content"),
        (Image(ContentSource(url="http://e.org/a.png")), "is an image without content"),
        (Image(ContentSource(data=PNG)), "is an image without a media type"),
        (Opaque("chat", "video_url", {}), "is of type 'video_url', whose highest price"),
        (ToolResult("lost", (Text("x"),)), "is the result of the tool call 'lost', which no earlier assistant message contains"),
    ],
)
@pytest.mark.parametrize(
    ("dialect", "place"),
    [("chat", "messages[2].content[1]"), ("messages", "messages[1].content[1]"), ("responses", "input (counted from 0): turn 2, part 1")],
)
def test_what_cant_be_sent_is_refused_with_its_place(part: Part, words: str, dialect: Any, place: str) -> None:
    given = (Turn("system", (Text("s"),)), Turn("user", (Text("u"),)), Turn("user", (Text("look"), part)))
    with pytest.raises(InvalidInput) as raised:
        written(*given, dialect=dialect)
    assert raised.value.param == place
    assert raised.value.message.startswith(f"{place} {words}")


def test_a_part_within_a_result_is_refused_with_its_place_there() -> None:
    with pytest.raises(InvalidInput, match=r"messages\[1\]\.content\[0\]\.content\[1\] is a document"):
        written(calls(A), Turn("user", (ToolResult("a", (Text("x"), Document(ContentSource(data="UEsD"), "application/zip"))),)))


def test_what_another_dialect_alone_can_say_is_named() -> None:
    conversation = Conversation(
        "auto",
        (
            Turn("system", (Text("s", "1h"),)),
            Turn("user", (Opaque("messages", "search_result", {}), Text("u"), Opaque("messages", "search_result", {}))),
            Turn("assistant", (Opaque("messages", "server_tool_use", {}),)),
        ),
        (HostedTool("messages", "web_search_20250305", {}),),
        Options(
            reasoning=Reasoning(budget_tokens=2048, summary="auto"),
            tool_choice=ToolChoice("auto"),
            parallel_tools=True,
            other={"metadata": {}, "context_management": {}},
        ),
        dialect="messages",
    )
    made = CHAT.write_request(conversation)
    assert made.dropped == (
        "user.search_result",
        "assistant.server_tool_use",
        "tools.web_search_20250305",
        "reasoning.summary",
        "context_management",
    )
    assert made.body == {
        "model": "auto",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "user", "content": "u"},
        ],
        "reasoning_effort": "medium",
    }


def test_a_part_where_the_dialect_has_no_place_for_it_is_named() -> None:
    misplaced = (
        Turn("system", (Text("s"), PICTURE)),
        Turn("user", (Text("u"), Thinking("hm"), A)),
        Turn("assistant", (Text("a"), PICTURE)),
        Turn("user", (RefusalText("no"),)),
    )
    made = CHAT.write_request(Conversation("auto", misplaced))
    assert made.dropped == ("system.image", "user.thinking", "user.tool_call", "assistant.image")
    assert [each["content"] for each in made.body["messages"]] == ["s", "u", "a", "no"]


@pytest.mark.parametrize(
    ("choice", "read"), [("none", ToolChoice("none")), ({"name": "weather"}, ToolChoice("named", "weather")), (None, None)]
)
def test_the_older_form_of_the_choice_is_read(choice: Any, read: ToolChoice | None) -> None:
    body = {"model": "auto", "messages": [USER], "functions": [{"name": "weather"}], "function_call": choice}
    assert CHAT.read_request(body).options.tool_choice == read


def test_a_format_that_is_no_grammar_is_kept() -> None:
    tool = {"type": "custom", "custom": {"name": "sh", "format": {"type": "text"}}}
    (read,) = CHAT.read_request({"model": "auto", "messages": [USER], "tools": [tool]}).tools
    assert isinstance(read, ToolDefinition)
    assert read.format == {"type": "text"}


def test_a_request_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(InvalidInput, match="contains nothing that can be sent to a provider"):
        written(Turn("user", (Opaque("messages", "search_result", {}),)))


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(budget_tokens=1024), "low"),
        (Reasoning(budget_tokens=1025), "medium"),
        (Reasoning(budget_tokens=31_999), "high"),
        (Reasoning(effort="minimal", budget_tokens=9000), "minimal"),
        (Reasoning(adaptive=True), "medium"),
        (Reasoning(adaptive=True, effort="low"), "low"),
        (Reasoning(enabled=False), None),
        (Reasoning(enabled=False, effort="high"), None),
        (Reasoning(enabled=False, effort="none"), "none"),
        (Reasoning(), None),
    ],
)
def test_a_thinking_budget_becomes_the_nearest_effort(reasoning: Reasoning, effort: str | None) -> None:
    body = CHAT.write_request(Conversation("auto", (Turn("user", (Text("u"),)),), options=Options(reasoning=reasoning))).body
    assert body.get("reasoning_effort") == effort
