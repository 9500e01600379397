"""Tokens are counted as the provider counts them, or above."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import pytest
import tiktoken.load
from hypothesis import given
from hypothesis import strategies as st

from app.tokens import MAX_IMAGE_TOKENS, ImageTokens, MediaTokens, count_json, count_media, count_messages, count_text
from app.tokens import text as encodings
from app.tokens.prompts import MESSAGE_TOKENS, NAME_TOKENS, REPLY_TOKENS, TOOL_TOKENS
from app.tokens.text import PIECE_CHARS, text_of

HINDI = "नमस्ते दुनिया"
OLD, NEW = 13, 5
"""Its tokens in cl100k_base and in o200k_base."""


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has counted nothing yet, and that must not ask the net."""
    encodings._encoding.cache_clear()
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setattr(tiktoken.load, "read_file", lambda url: pytest.fail(f"{url} is to be downloaded"))


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("hello world", 2), ("Größe prüfen", 3), (HINDI, NEW), ("<|endoftext|>", 7), ("a\ud800b", 3)]
)
def test_a_text_has_its_tokens(text: str, count: int) -> None:
    assert count_text(text) == count


@pytest.mark.parametrize(
    ("model", "count"),
    [
        ("gpt-3.5-turbo", OLD),
        ("gpt-4", OLD),
        ("gpt-4-turbo", OLD),
        ("azure/gpt-4", OLD),
        ("text-embedding-3-small", OLD),
        ("gpt-4o", NEW),
        ("openai/gpt-4o-mini", NEW),
        ("gpt-4.1-mini", NEW),
        ("gpt-5", NEW),
        ("o3", NEW),
        ("claude-sonnet-4-5", NEW),
        ("", NEW),
    ],
)
def test_a_model_has_its_encoding(model: str, count: int) -> None:
    assert count_text(HINDI, model=model) == count


def test_the_encodings_come_with_the_installation(unloaded: None) -> None:
    assert (count_text(HINDI), count_text(HINDI, model="gpt-4")) == (NEW, OLD)
    assert "litellm" in os.environ["TIKTOKEN_CACHE_DIR"]


def test_a_folder_of_encodings_that_the_operator_named_is_used(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    count_text("")
    theirs = os.environ["TIKTOKEN_CACHE_DIR"] + "/."
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", theirs)
    assert count_text(HINDI, model="gpt-4") == OLD
    assert os.environ["TIKTOKEN_CACHE_DIR"] == theirs


@pytest.mark.parametrize("text", ["the quick brown fox jumps over the lazy dog\n" * 1500, "x" * 200_000, HINDI * 5000])
def test_a_long_text_is_counted_in_pieces_and_not_below_the_whole(text: str) -> None:
    whole = len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))
    assert whole <= count_text(text) <= whole + 10 * (len(text) // PIECE_CHARS)


@given(st.text())
def test_any_text_can_be_counted_and_no_byte_has_two_tokens(text: str) -> None:
    assert (count_text(text) > 0) == (text != "")
    assert count_text(text) <= len(text.encode())


def test_a_prompt_is_its_words_and_the_format_around_them() -> None:
    bare = REPLY_TOKENS + MESSAGE_TOKENS + count_text("user") + count_text("hello world")
    assert count_messages([{"role": "user", "content": "hello world"}]) == bare
    assert count_messages([{"role": "user", "content": "hello world", "name": "ada"}]) == bare + NAME_TOKENS + count_text("ada")
    assert count_messages([{"role": "user", "content": "hello world"}] * 3) == 3 * bare - 2 * REPLY_TOKENS
    assert count_messages([]) == REPLY_TOKENS


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param(None, 0, id="none"),
        pytest.param([], 0, id="no block"),
        pytest.param([{"type": "text", "text": HINDI}], NEW + MESSAGE_TOKENS, id="a text"),
        pytest.param(["hello", {"type": "text", "text": " world"}], 2 + MESSAGE_TOKENS, id="words and a text"),
        pytest.param([{"type": "text", "text": None}], count_text('{"type": "text", "text": null}'), id="a text that is none"),
        pytest.param({"a": [1, 2.5]}, count_text('{"a": [1, 2.5]}'), id="an object"),
        pytest.param(12345, count_text("12345"), id="a number"),
        pytest.param({"on": date(2026, 11, 1)}, count_text('{"on": "2026-11-01"}'), id="what JSON doesn't know"),
    ],
)
def test_each_kind_of_content_is_counted(content: object, count: int) -> None:
    assert count_messages([{"content": content}]) == REPLY_TOKENS + MESSAGE_TOKENS + count


@pytest.mark.parametrize("more", [{}, {"cache_control": {"type": "ephemeral"}}])
@pytest.mark.parametrize("data", ["AA", "A" * 99_999])
def test_an_image_counts_apart_from_the_words(data: str, more: dict[str, Any]) -> None:
    asked = [{"content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}, **more}] * 2}]
    assert count_messages(asked) == REPLY_TOKENS + MESSAGE_TOKENS
    assert count_media(asked) == 2 * MAX_IMAGE_TOKENS


def test_any_other_format_counts_all_of_its_words_and_names_but_no_data_of_media() -> None:
    words = count_text(HINDI * 9)
    source = {"type": "base64", "media_type": "image/png", "data": "AB1x" * 9_999}
    body = {"system": [{"type": "text", "text": HINDI * 9, "unknown": {"field": 7}}], "messages": [{"type": "image", "source": source}]}
    assert words < count_json(body) < words + 500
    assert count_json(body, margin=1.2) > 1.2 * words
    for kind in ("document", "other"):
        source = {"type": "base64", "media_type": "text/plain" if kind == "document" else "image/png", "data": "AB1x" * 9_999}
        assert count_json({"type": kind, "source": source}) > 9_999


def test_documents_count_no_more_than_the_models_window_but_pictures_billed_at_a_multiple_do() -> None:
    asked = [{"content": [{"type": "file", "file": {"file_id": "one"}}] * 2}]
    assert count_media(asked, MediaTokens(ImageTokens(1640)), window=9_000) == 9_000
    assert count_media(asked, MediaTokens(), window=9_000) > 9_000


def test_the_calls_of_tools_are_counted_with_their_arguments() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": HINDI * 100}}
    assert count_messages([{"role": "assistant", "content": None, "tool_calls": [call]}]) > 100 * NEW


def test_a_tool_is_its_declaration_and_more_in_the_models_encoding() -> None:
    tool = {"description": HINDI}
    for model in ("", "gpt-4"):
        declared = count_text('{"description": "' + HINDI + '"}', model=model)
        assert count_messages([], tools=[tool, tool], model=model) == REPLY_TOKENS + 2 * (TOOL_TOKENS + declared)


@pytest.mark.parametrize(("margin", "count"), [(1.0, 3), (1.1, 4), (1.34, 5), (2.0, 6)])
def test_a_margin_is_rounded_up(margin: float, count: int) -> None:
    assert count_messages([], margin=margin) == count


def image(**block: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}, **block}]}]


REMOTE = {"url": "https://x/y.png"}
DATA = {"url": "data:image/png;base64," + "A" * 9_999}


@pytest.mark.parametrize("url", [REMOTE, DATA], ids=["remote", "data"])
@pytest.mark.parametrize(
    ("images", "detail", "count"),
    [
        (ImageTokens(1445, 85), None, 1445),
        (ImageTokens(1445, 85), "auto", 1445),
        (ImageTokens(1445, 85), "high", 1445),
        (ImageTokens(1445, 85), "low", 85),
        (ImageTokens(2489), "low", 2489),
        (ImageTokens(), "low", MAX_IMAGE_TOKENS),
    ],
)
@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_an_image_is_counted_at_the_most_that_the_model_bills_for_it(
    url: dict[str, str], images: ImageTokens, detail: str | None, count: int, many: int, margin: float
) -> None:
    block = {"type": "image_url", "image_url": {**url, **({"detail": detail} if detail else {})}}
    asked = [{"role": "user", "content": [block] * many}, {"role": "user", "content": "what is it?"}]
    bare = [{"role": "user", "content": []}, {"role": "user", "content": "what is it?"}]
    assert count_media(asked, MediaTokens(images)) == many * count
    assert count_messages(asked, margin=margin) == count_messages(bare, margin=margin)


@pytest.mark.parametrize("field", ["tool_calls", "name", "refusal"])
def test_an_image_where_none_belongs_is_counted_as_its_letters(field: str) -> None:
    letters = image()[0]["content"][0] | {"image_url": {"url": "data:image/png;base64," + "AB1x" * 9_999}}
    asked = [{"role": "user", field: [letters]}]
    assert count_media(asked, MediaTokens(ImageTokens(85))) == 0
    assert count_messages(asked) > 9_999


def test_a_block_whose_type_is_no_word_is_counted() -> None:
    assert count_messages(image(type=["text"])) > 0


@given(st.text(max_size=200))
def test_token_ids_are_the_text_they_were_made_of(text: str) -> None:
    encoding = tiktoken.get_encoding("cl100k_base")
    assert text_of(encoding.encode_ordinary(text), model="text-embedding-3-small") == text


@pytest.mark.parametrize("number", [100_256, 200_000, 2**31, 2**40])
def test_a_number_that_is_no_token_is_said(number: int) -> None:
    with pytest.raises(ValueError, match="not a token"):
        text_of([number], model="text-embedding-3-small")
