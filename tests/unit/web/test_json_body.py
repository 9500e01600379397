"""Callers' JSON: bounded in depth and number, half characters mended or refused, numbers that JSON doesn't know named."""

from __future__ import annotations

import json

import pytest

from app.errors import InvalidInput, TooLarge, Unreadable
from app.nesting import MAX_DEPTH, too_deep
from app.web.json_body import MAX_CONTAINERS, parse


def nested(depth: int, kind: str) -> str:
    match kind:
        case "lists":
            return "[" * depth + "]" * depth
        case "objects":
            return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)
        case _:
            inner = "[]" if depth % 2 else "{}"
            for level in range(depth - 1, 0, -1):
                inner = f"[{inner}]" if level % 2 else f'{{"k": {inner}}}'
            return inner


@pytest.mark.parametrize("kind", ["lists", "objects", "mixed"])
def test_json_as_deep_as_it_may_be_passes_and_one_level_more_does_not(kind: str) -> None:
    assert parse(nested(MAX_DEPTH, kind).encode()) == json.loads(nested(MAX_DEPTH, kind))
    for depth in (MAX_DEPTH + 1, 600, 5_000, 100_000):
        with pytest.raises((InvalidInput, Unreadable), match="nested deeper than 100 levels"):
            parse(nested(depth, kind).encode())


def test_the_field_that_is_too_deep_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(f'{{"model": "auto", "tools": {nested(600, "lists")}}}'.encode())
    assert refused.value.param == "tools"


def test_brackets_within_texts_are_no_depth() -> None:
    assert parse(json.dumps({"text": "[{" * 5_000}).encode()) == {"text": "[{" * 5_000}


def test_broad_is_not_deep() -> None:
    assert len(parse(json.dumps([[] for _ in range(10_000)]).encode())) == 10_000


def test_more_lists_than_memory_bears_are_refused() -> None:
    with pytest.raises(TooLarge):
        parse(b"[" + b"[]," * MAX_CONTAINERS + b"[]]")


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83d\\ud83d", "a\\udc00b"])
def test_half_a_character_is_mended_also_in_a_name(half: str) -> None:
    found = parse(f'{{"{half}": ["{half}", "\\ud83d\\ude00"]}}'.encode())
    (name, (text, whole)), *_ = found.items()
    assert name == text
    assert "\ufffd" in text
    assert whole == "\U0001f600"
    json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00"])
def test_half_a_character_is_refused_where_nothing_may_be_changed(half: str) -> None:
    with pytest.raises(Unreadable, match="lone surrogate"):
        parse(f'{{"a": "{half}"}}'.encode(), mend=False)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_json_does_not_know_is_named(number: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(f'{{"a": [1, {{"b": {number}}}]}}'.encode())
    assert refused.value.param == "a.1.b"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"hello", b"\xff", b'{"a": "\xed\xa0\xbd"}', b"{'a': 1}", b"9" * 5_000, '{"a": 1}'.encode("utf-16")]
)
def test_what_is_no_json_in_utf_8_is_said(raw: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse(raw)


def test_a_byte_order_mark_and_a_name_said_twice_do_no_harm() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1, "a": 2}') == {"a": 2}


def test_depth_is_measured_without_recursion() -> None:
    deep: list[object] = []
    for _ in range(50_000):
        deep = [deep]
    assert too_deep(deep)
    assert too_deep([[]], limit=1)
    assert not too_deep([1, "x"], limit=1)
    assert not too_deep("x", limit=0)
