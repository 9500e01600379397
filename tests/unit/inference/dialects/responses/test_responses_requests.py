"""Responses requests: every shape of input and option read into a conversation, written from it, or refused with its place."""

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
    ToolNamespace,
    ToolResult,
    Turn,
)
from app.inference.dialects.chat import CHAT
from app.inference.dialects.messages import MESSAGES
from app.inference.dialects.responses import RESPONSES
from app.inference.dialects.responses.items import encrypted_content, qualified

Json = dict[str, Any]
LOOK: Json = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
PATCH: Json = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}}
GROUP: Json = {"type": "namespace", "name": "agents", "description": "Helpers.", "tools": [LOOK, {**LOOK, "name": "close"}]}
HELLO: Json = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
DATA = base64.b64encode(b"x").decode()
ZIP: Json = {"type": "input_file", "filename": "a.zip", "file_data": f"data:application/zip;base64,{DATA}"}


def read(*items: Json | str, **fields: Any) -> Conversation:
    given: Any = items[0] if len(items) == 1 and isinstance(items[0], str) else list(items)
    return RESPONSES.read_request({"model": "auto", "input": given, **fields})


def call(call_id: str, name: str = "look", **more: Any) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}", **more}


def output(call_id: str, said: Any = "ok", kind: str = "function") -> Json:
    return {"type": f"{kind}_call_output", "call_id": call_id, "output": said}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hello", (Text("hello"),)),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": ""}], (Text("a"),)),
        (
            [{"type": "input_image", "image_url": f"data:image/png;base64,{DATA}", "detail": "low"}],
            (Image(ContentSource(data=DATA), "image/png", "low"),),
        ),
        ([{"type": "input_image", "image_url": "https://e.org/a.png"}], (Image(ContentSource(url="https://e.org/a.png")),)),
        ([{"type": "input_image", "file_id": "file_1", "detail": "original"}], (Image(ContentSource(file_id="file_1"), None, "high"),)),
        (
            [{"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}],
            (Document(ContentSource(data=DATA), "application/pdf", "a.pdf"),),
        ),
        ([{"type": "input_file", "file_url": "https://e.org/a.pdf"}], (Document(ContentSource(url="https://e.org/a.pdf")),)),
        ([{"type": "input_file", "file_id": "file_1"}], (Document(ContentSource(file_id="file_1")),)),
        ([{"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}], (Audio(DATA, "wav"),)),
        ([{"type": "news", "x": 1}], (Opaque("responses", "news", {"type": "news", "x": 1}),)),
    ],
)
def test_contents_become_parts(content: Any, parts: tuple[Part, ...]) -> None:
    assert read({"role": "user", "content": content}).turns == (Turn("user", parts),)


def test_the_items_of_one_answer_become_one_turn() -> None:
    conversation = read(
        {"role": "developer", "content": "Be brief."},
        HELLO,
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "warm?"}], "encrypted_content": "seal=="},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
        call("a"),
        {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "*** Begin"},
        output("b", [{"type": "input_text", "text": "done"}, {"type": "input_image", "image_url": "https://e.org/a.png"}], "custom_tool"),
        output("a"),
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        HELLO,
        HELLO,
        instructions="You are a helper.",
    )
    assert conversation.turns == (
        Turn("system", (Text("You are a helper."),)),
        Turn("developer", (Text("Be brief."),)),
        Turn("user", (Text("hello"),)),
        Turn(
            "assistant",
            (
                Thinking("warm?", sealed="seal==", id="rs_1"),
                Text("I look."),
                ToolInvocation("a", "look", "{}"),
                ToolInvocation("b", "apply_patch", "*** Begin", "custom"),
            ),
        ),
        Turn(
            "user",
            (
                ToolResult("b", (Text("done"), Image(ContentSource(url="https://e.org/a.png"))), kind="custom"),
                ToolResult("a", (Text("ok"),)),
            ),
        ),
        Turn("assistant", (RefusalText("No."),)),
        Turn("user", (Text("hello"),)),
        Turn("user", (Text("hello"),)),
    )
    assert conversation.dialect == "responses"


def test_calls_that_are_answered_one_by_one_are_turns_of_their_own() -> None:
    turns = read(HELLO, call("a"), output("a"), call("b"), output("b")).turns
    assert [(turn.role, len(turn.parts)) for turn in turns[1:]] == [("assistant", 1), ("user", 1)] * 2


def test_a_string_is_a_users_turn() -> None:
    assert read("hello").turns == (Turn("user", (Text("hello"),)),)


def test_items_of_kinds_that_others_do_not_have_are_kept() -> None:
    search: Json = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    found: Json = {"type": "tool_search_output", "call_id": "c", "tools": []}
    assert read(HELLO, search, found).turns[1:] == (
        Turn("assistant", (Opaque("responses", "web_search_call", search),)),
        Turn("user", (Opaque("responses", "tool_search_output", found),)),
    )


def test_a_request_of_every_kind_of_item_is_written_as_it_was() -> None:
    items: list[Json] = [
        {"type": "additional_tools", "tools": []},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_video", "url": "x"}]},
        {"type": "compaction", "encrypted_content": "c=="},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "s=="},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        call("a"),
        {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "*** Begin"},
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {}},
        output("a", [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"}]),
        output("b", "done", "custom_tool"),
        {"type": "tool_search_output", "call_id": "c", "tools": []},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Go on."}]},
    ]
    written = RESPONSES.write_request(read(*items, instructions="Be brief.", tools=[LOOK, PATCH]))
    assert (written.body["input"], written.body["instructions"], written.dropped) == (items, "Be brief.", ())
    assert written.body["tools"] == [LOOK, PATCH]


def test_tools_of_each_kind_are_read() -> None:
    found = read("x", tools=[{**LOOK, "description": "d", "strict": True}, PATCH, {"type": "web_search"}]).tools
    assert found == (
        ToolDefinition("look", "d", {"type": "object"}, strict=True),
        ToolDefinition("apply_patch", kind="custom", format=PATCH["format"]),
        HostedTool("responses", "web_search", {"type": "web_search"}),
    )


def test_tools_of_a_namespace_have_its_name() -> None:
    conversation = read(
        HELLO, call("a", "look", namespace="agents"), output("a"), tools=[GROUP], tool_choice={"type": "function", "name": "agents__close"}
    )
    assert [(tool.name, tool.namespace) for tool in conversation.tools] == [  # type: ignore[union-attr]
        ("agents__look", ToolNamespace("agents", "look", "Helpers.")),
        ("agents__close", ToolNamespace("agents", "close", "Helpers.")),
    ]
    assert conversation.turns[1].parts == (ToolInvocation("a", "agents__look", "{}"),)
    written = RESPONSES.write_request(conversation).body
    assert written["tools"] == [GROUP]
    assert (written["input"][1]["name"], written["input"][1]["namespace"]) == ("look", "agents")
    assert written["tool_choice"] == {"type": "function", "name": "close", "namespace": "agents"}
    assert [tool["function"]["name"] for tool in CHAT.write_request(conversation).body["tools"]] == ["agents__look", "agents__close"]


def test_a_long_name_in_a_namespace_is_shortened_the_same_way_each_time() -> None:
    made = qualified("mcp__a_server_with_a_long_name__", "a_tool_with_a_name_that_is_long_too_and_goes_on")
    assert (len(made), made) == (64, qualified("mcp__a_server_with_a_long_name__", "a_tool_with_a_name_that_is_long_too_and_goes_on"))
    assert made != qualified("mcp__a_server_with_a_long_name__", "a_tool_with_a_name_that_is_long_too_and_goes_onn")
    assert qualified("mcp__files__", "read") == "mcp__files__read"


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        (
            {"max_output_tokens": 16, "temperature": 1.5, "top_p": 0.5, "user": "u"},
            Options(max_tokens=16, temperature=1.5, top_p=0.5, user="u"),
        ),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, Options(reasoning=Reasoning(effort="high", summary="auto"))),
        ({"reasoning": {"effort": "none"}}, Options(reasoning=Reasoning(enabled=False, effort="none"))),
        ({"reasoning": {"summary": "auto"}}, Options(reasoning=Reasoning(summary="auto"))),
        ({"reasoning": {"effort": None, "summary": None}}, Options()),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, Options(verbosity="low")),
        ({"text": {"format": {"type": "json_object"}}}, Options(output_format=OutputFormat())),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
            Options(output_format=OutputFormat({"type": "object"}, "n", True)),
        ),
        ({"tools": [LOOK], "tool_choice": "required"}, Options(tool_choice=ToolChoice("required"))),
        ({"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}}, Options(tool_choice=ToolChoice("named", "look"))),
        (
            {"tools": [PATCH], "tool_choice": {"type": "custom", "name": "apply_patch"}},
            Options(tool_choice=ToolChoice("named", "apply_patch", "custom")),
        ),
        ({"parallel_tool_calls": False}, Options(parallel_tools=False)),
        ({"store": False, "background": False, "stream": True, "truncation": "disabled", "previous_response_id": None}, Options()),
    ],
)
def test_options_are_read(fields: Json, options: Options) -> None:
    assert read("x", **fields).options == options


def test_options_that_only_this_dialect_has_are_kept_and_only_losses_are_named() -> None:
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]}
    conversation = read(
        "x", include=["reasoning.encrypted_content"], prompt_cache_key="k", client_metadata={"a": "b"}, metadata={"c": "d"},
        truncation="auto", max_tool_calls=3, tools=[LOOK], tool_choice=allowed, text={"news": 1}, service_tier="flex",
    )  # fmt: skip
    assert set(conversation.options.other) == {
        "include", "prompt_cache_key", "client_metadata", "metadata", "truncation", "max_tool_calls", "tool_choice", "text.news",
        "service_tier",
    }  # fmt: skip
    assert set(CHAT.write_request(conversation).dropped) == {"truncation", "max_tool_calls", "tool_choice", "text.news"}
    again = RESPONSES.write_request(conversation)
    assert again.dropped == ()
    assert (again.body["tool_choice"], again.body["text"], again.body["max_tool_calls"]) == (allowed, {"news": 1}, 3)


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        ({"input": "x"}, "model is missing: give a string that is not empty.", "model"),
        ({"model": "auto"}, "input is missing: give a string, or a list of items with at least one message of the user's.", "input"),
        ({"model": "auto", "input": 3}, "input must be a string or a list of items, not a number.", "input"),
        ({"model": "auto", "input": ["x"]}, "input[0] must be an object, not a string.", "input[0]"),
        (
            {"model": "auto", "input": [{"role": "tool", "content": "x"}]},
            "must be one of assistant, developer, system, user",
            "input[0].role",
        ),
        ({"model": "auto", "input": [{"content": "x"}]}, "input[0].role is missing", "input[0].role"),
        ({"model": "auto", "input": [{"role": "user", "content": [{"text": "x"}]}]}, "is missing", "input[0].content[0].type"),
        ({"model": "auto", "input": [{"role": "user", "content": []}]}, "input[0].content is empty", "input[0].content"),
        (
            {"model": "auto", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]},
            "must be a picture inline",
            "input[0].content[0].image_url",
        ),
        (
            {"model": "auto", "input": [{"role": "user", "content": [{"type": "input_file", "file_data": "AAAA"}]}]},
            "must be the file inline",
            "input[0].content[0].file_data",
        ),
        ({"model": "auto", "input": [HELLO, {"type": "function_call", "name": "x", "arguments": ""}]}, "is missing", "input[1].call_id"),
        (
            {"model": "auto", "input": [HELLO, call("a")]},
            "input[1] is the call 'a', which has no output: add its function_call_output",
            "input[1]",
        ),
        ({"model": "auto", "input": [HELLO, output("a")]}, "is 'a', but no earlier item makes that call", "input[1].call_id"),
        ({"model": "auto", "input": "x", "tools": [{"name": "x"}]}, "tools[0].type is missing", "tools[0].type"),
        ({"model": "auto", "input": "x", "tools": [LOOK, LOOK]}, "is 'look', a name that another tool has already", "tools[1].name"),
        ({"model": "auto", "input": "x", "tools": [{**GROUP, "tools": [{"name": "x"}]}]}, "is missing", "tools[0].tools[0].type"),
        ({"model": "auto", "input": "x", "tool_choice": {"type": "function", "name": "x"}}, "none of the tools", "tool_choice.name"),
        ({"model": "auto", "input": "x", "tool_choice": {"type": "mcp"}}, "tool_choice demands mcp", "tool_choice"),
        ({"model": "auto", "input": "x", "temperature": 3}, "must be a number from 0 to 2", "temperature"),
        ({"model": "auto", "input": "x", "max_output_tokens": 0}, "must be a whole number", "max_output_tokens"),
        ({"model": "auto", "input": "x", "reasoning": {"effort": "much"}}, "must be one of", "reasoning.effort"),
        (
            {"model": "auto", "input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}},
            "give a JSON schema",
            "text.format.schema",
        ),
        ({"model": "auto", "input": "x", "prompt": {"id": "p"}}, "send the prompt's own text in `instructions`", "prompt"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body: Json, message: str, param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RESPONSES.read_request(body)
    assert message in caught.value.message
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("items", "place"),
    [
        ([HELLO, {"role": "user", "content": [{"type": "input_text", "text": ""}, ZIP]}], "input[1].content[1]"),
        ([HELLO, call("a"), call("b"), output("b"), output("a", [ZIP])], "input[4].output[0]"),
        ([HELLO, {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}]}], "input[1].content[0]"),
    ],
)  # fmt: skip
def test_another_dialect_that_can_not_send_a_part_names_its_place_in_the_request(items: list[Json], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CHAT.write_request(read(*items, instructions="Be brief."))
    assert caught.value.param == place


# Written for a provider.


def written(*turns: Turn, **more: Any) -> Any:
    return RESPONSES.write_request(Conversation("m", turns, **more))


def test_what_this_dialect_can_not_say_is_named() -> None:
    user = Turn("user", (Text("hi", "1h"), Opaque("messages", "search_result", {})), name="ann")
    said = Turn("assistant", (Thinking("hm", "sig"), Image(ContentSource(url="https://e.org/a.png")), Text("ok")))
    options = Options(stop=("x",), seed=1, top_k=5, choices=2, other={"container": "c", "stream": True})
    made = written(user, said, options=options, tools=(HostedTool("messages", "web_fetch", {}),), dialect="messages")
    assert set(made.dropped) == {
        "user.name", "user.search_result", "assistant.thinking", "assistant.image", "stop", "seed", "top_k", "n", "tools.web_fetch", "container",
    }  # fmt: skip
    assert made.body == {
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
        ],
        "store": False,
    }


def test_a_failed_call_is_told_in_its_output() -> None:
    turns = Turn("assistant", (ToolInvocation("a", "look", ""),)), Turn("user", (ToolResult("a", (Text("no such file"),), failed=True),))
    items = written(Turn("user", (Text("x"),)), *turns).body["input"]
    assert items[1]["arguments"] == "{}"
    assert items[2]["output"] == "Error: no such file"


@pytest.mark.parametrize(("tokens", "effort"), [(1024, "low"), (2000, "medium"), (30_000, "high")])
def test_a_budget_for_thinking_becomes_an_effort(tokens: int, effort: str) -> None:
    made = written(Turn("user", (Text("x"),)), options=Options(reasoning=Reasoning(budget_tokens=tokens)))
    assert made.body["reasoning"] == {"effort": effort}


@pytest.mark.parametrize("part", [Image(ContentSource()), Document(ContentSource())])
def test_a_part_without_content_is_refused(part: Part) -> None:
    with pytest.raises(InvalidInput, match=r"turns\[0\]\.parts\[0\] is an? \w+ without content"):
        written(Turn("user", (part,)))
    with pytest.raises(InvalidInput, match="nothing that can be sent"):
        written(Turn("user", (Opaque("chat", "x", {}),)))


# Thinking and its proofs.


@pytest.mark.parametrize(
    "thought", [Thinking("hm", "sig=="), Thinking("", sealed="data=="), Thinking("hm"), Thinking("", sealed="x", id="rs_1")]
)
def test_a_proof_comes_back_from_a_client(thought: Thinking) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": thought.text}]}
    sealed = encrypted_content(thought)
    assert read(HELLO, {**item, "encrypted_content": sealed}).turns[1].parts == (thought,)


@pytest.mark.parametrize("broken", ["cairn-1.", "cairn-1.%%%", "cairn-1." + base64.urlsafe_b64encode(b"[1]").decode(), "cairn-1.\xe9"])
def test_a_proof_that_a_client_cut_leaves_the_words(broken: str) -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": broken}
    assert read(HELLO, item).turns[1].parts == (Thinking("hm"),)


def test_openais_own_seal_goes_to_nobody_else() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    conversation = read(HELLO, item, {"role": "assistant", "content": "ok"})
    for dialect in (CHAT, MESSAGES):
        made = dialect.write_request(conversation)
        assert "assistant.thinking" in made.dropped
        assert "gAAAA" not in str(made.body)
    assert RESPONSES.write_request(conversation).body["input"][1] == item
