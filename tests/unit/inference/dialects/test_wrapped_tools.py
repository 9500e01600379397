"""A custom tool as a function, and its text back out of the arguments, whole and in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.conversation import Conversation, HostedTool, ToolDefinition
from app.inference.dialects.wrapped_tools import Unwrapper, custom_names, unwrapped, wrapped, wrapped_text

PATCH = '*** Begin Patch\n*** Add File: "a\\b.txt"\n+héllo 😀\t\\d\n*** End Patch'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}


def in_pieces(arguments: str, *sizes: int) -> str:
    reader, out, at = Unwrapper(), [], 0
    for size in (*sizes, len(arguments)):
        out.append(reader.feed(arguments[at : at + size]))
        at += size
    return "".join([*out, reader.end()])


def test_a_custom_tool_becomes_a_function_of_one_string_that_tells_the_grammar() -> None:
    made = wrapped(ToolDefinition("apply_patch", "Edits files.", kind="custom", format=GRAMMAR))
    assert (made.kind, made.format) == ("function", None)
    assert made.schema is not None
    assert list(made.schema["properties"]) == made.schema["required"] == ["input"]
    assert made.description == "Edits files.\n\nThe input must follow this grammar (lark):\nstart: /.+/"


def test_a_tool_without_description_and_grammar_gets_neither() -> None:
    assert wrapped(ToolDefinition("sh", kind="custom")).description is None


def test_the_names_are_those_of_custom_tools() -> None:
    tools = (ToolDefinition("a", kind="custom"), ToolDefinition("b"), HostedTool("responses", "web_search", {}))
    assert custom_names(Conversation("m", (), tools)) == {"a"}
    assert custom_names(None) == set()


@given(st.text(), st.lists(st.integers(1, 7), max_size=40), st.booleans())
def test_any_text_comes_back_whatever_the_pieces(text: str, sizes: list[int], ascii_only: bool) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    assert in_pieces(arguments, *sizes) == text == unwrapped(arguments) == unwrapped(wrapped_text(text))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", ""),
        ('{"input": ""}', ""),
        (' {\n "input" :\t"a b"\n}', "a b"),
        ('{"input":"a","more":1}', "a"),
        ('{"more":1,"input":"a"}', "a"),
        ('{"patch":"a"}', '{"patch":"a"}'),
        ('{"input":5}', '{"input":5}'),
        ('"just text"', '"just text"'),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"input":"cut of', "cut of"),
        ('{"input":"cut in an escape \\u00', "cut in an escape "),
        (r'{"input":"a \d"}', "a d"),
        (r'{"input":"\ud83d\ude00"}', "😀"),
        (r'{"input":"\ud83d alone, \ude00"}', "\ufffd alone, \ufffd"),
        (r'{"input":"\ud83d', "\ufffd"),
        (r'{"input":"\uzzzz"}', "zzzz"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_what_a_model_may_write_instead(arguments: str, text: str) -> None:
    assert in_pieces(arguments) == in_pieces(arguments, 3, 4) == text
    assert unwrapped(arguments) == text


def test_the_text_streams_before_the_arguments_are_whole() -> None:
    reader = Unwrapper()
    assert reader.feed(wrapped_text(PATCH)[:20]) == "*** Begin "
