"""A character that a stream cuts in two comes out whole; a half that stays alone is U+FFFD; nothing else changes."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference import answers
from app.inference.provider_errors import ProviderError
from app.inference.wires.split_characters import SplitCharacters

HIGH, LOW, LONE = "\ud83e", "\udd9c", "\ufffd"


def event(*deltas: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One choice for each delta."""
    choices = [{"index": index, "delta": delta, "finish_reason": finish} for index, delta in enumerate(deltas)]
    return json.dumps({"id": "1", "choices": choices, **more}).encode()


def read(*events: bytes) -> list[Any]:
    """What comes out; every event's JSON is what was read of it, and any reader takes it."""
    split, found = SplitCharacters(), []
    for each in events:
        data, raw = split.event(each)
        assert answers.decoded_whole(raw) == (data, raw)
        found.append(data)
    return found


def texts(found: list[Any], field: str = "content", choice: int = 0) -> list[str]:
    return [each["choices"][choice]["delta"].get(field, "") for each in found]


STOP = event({}, finish="stop")


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([f"a{HIGH}", f"{LOW}b"], ["a", "🦜b", ""]),
        ([HIGH, LOW], ["", "🦜", ""]),
        ([HIGH, "", LOW], ["", "", "🦜", ""]),
        ([HIGH, f"{LOW}{HIGH}", LOW], ["", "🦜", "🦜", ""]),
        ([HIGH, "b"], ["", f"{LONE}b", ""]),
        ([HIGH, HIGH, LOW], ["", LONE, "🦜", ""]),
        ([f"a{LOW}", "b"], [f"a{LONE}", "b", ""]),
        ([f"a{HIGH}"], ["a", LONE]),
        (["plain", "größe 🦜"], ["plain", "größe 🦜", ""]),
    ],
)
def test_halves_are_joined_or_replaced(pieces: list[str], told: list[str]) -> None:
    assert texts(read(*[event({"content": piece}) for piece in pieces], STOP)) == told


def test_a_half_in_the_piece_that_finishes_stays_alone() -> None:
    assert texts(read(event({"content": f"a{HIGH}"}, finish="length"))) == [f"a{LONE}"]


def test_a_blank_finish_ends_nothing() -> None:
    assert texts(read(event({"content": HIGH}, finish=""), event({"content": LOW}, finish=""), STOP)) == ["", "🦜", ""]


def test_choices_and_fields_keep_their_halves_apart() -> None:
    found = read(
        event({"content": HIGH}, {"content": "x", "reasoning_content": HIGH}),
        event({"content": "y"}, {"content": LOW, "reasoning_content": LOW}),
        event({}, {}, finish="stop"),
    )
    assert texts(found) == ["", f"{LONE}y", ""]
    assert texts(found, choice=1) == ["x", LONE, ""]
    assert texts(found, "reasoning_content", 1) == ["", "🦜", ""]


def test_the_arguments_of_each_call_are_a_text_of_their_own() -> None:
    def calls(*arguments: str) -> bytes:
        return event({"tool_calls": [{"index": index, "function": {"arguments": each}} for index, each in enumerate(arguments)]})

    found = read(calls(f'{{"a": "{HIGH}', '{"b": "'), calls(f'{LOW}"}}', f'{LOW}"}}'), event({}, finish="tool_calls"))
    told = [[call["function"]["arguments"] for call in each["choices"][0]["delta"]["tool_calls"]] for each in found[:2]]
    assert told == [['{"a": "', '{"b": "'], ['🦜"}', f'{LONE}"}}']]


def test_a_half_elsewhere_waits_for_nobody() -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": HIGH}]}, "finish_reason": None}
    (found,) = read(json.dumps({"id": HIGH, "choices": [choice]}).encode())
    assert (found["id"], found["choices"][0]["logprobs"]["content"][0]["token"]) == (LONE, LONE)


def test_an_event_without_a_half_is_passed_on_as_it_came() -> None:
    raw = b'{"choices": [ {"delta": {"content": "\\ud83e\\udd9c"}} ]}'
    assert SplitCharacters().event(raw)[1] is raw


@pytest.mark.parametrize("raw", [b"", b"{", b"no", b"[" * 100_000, b'{"a": NaN}', b'{"a":' * 100_000, b'{"a": "\\ud83e}'])
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        SplitCharacters().event(raw)
    assert (caught.value.kind, caught.value.unknown) == ("malformed", True)


@pytest.mark.parametrize(
    "data", [HIGH, [HIGH], {"choices": HIGH}, {"choices": [HIGH]}, {"choices": [{"delta": HIGH, "finish_reason": "stop"}]}]
)
def test_any_shape_is_mended(data: Any) -> None:
    split = SplitCharacters()
    split.event(event({"content": HIGH}))
    split.event(json.dumps(data).encode())[1].decode()


@given(text=st.text("aé🦜" + HIGH + LOW, max_size=12), cuts=st.lists(st.integers(0, 24), max_size=6))
def test_however_a_text_is_cut_it_comes_out_as_in_one_piece(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    whole = units.decode("utf-16-le", "replace")
    places = sorted({0, len(units), *(2 * cut for cut in cuts if 2 * cut < len(units))})
    pieces = [units[start:end].decode("utf-16-le", "surrogatepass") for start, end in pairwise(places)]
    assert "".join(texts(read(*[event({"content": piece}) for piece in pieces], STOP))) == whole
