"""Events as they may be stored: without secrets, within the limits, and in PostgreSQL's alphabet."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.sessions.event import Event, ToolUse
from app.sessions.redacted import storable

KEY = "sk-ant-api03-" + "a1B2c3D4" * 11 + "AA"


def event(text: str = "", **fields: object) -> Event:
    return replace(Event("e1", "user", "prompt", text, "L1"), **fields)  # type: ignore[arg-type]


def row_of(made: Event, max_chars: int = 1000) -> dict[str, object]:
    [one] = storable([made], max_chars=max_chars)
    return one.row


def test_no_field_keeps_a_secret() -> None:
    tool = ToolUse(name=f"bash {KEY}", input=f"curl -H {KEY}", output=f"ok {KEY}")
    made = event(f"use {KEY}", id=f"e {KEY}", locator=f"L {KEY}", speaker=f"ada {KEY}", tool=tool)
    row = row_of(made)
    assert all(KEY not in str(value) and KEY[:40] not in str(value) for value in row.values()), row


def test_secrets_are_counted_by_kind_and_those_of_the_result_apart() -> None:
    [one] = storable([event(f"{KEY} and {KEY}", tool=ToolUse("bash", "env", KEY))], max_chars=1000)
    assert sum(one.secrets.values()) == 3
    assert sum(one.result_secrets.values()) == 1


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert row_of(event("x" * 1010))["text"] == "x" * 1000 + "… [cut: 10 characters]"


def test_a_text_of_just_the_limit_is_not_cut() -> None:
    assert row_of(event("x" * 1000))["text"] == "x" * 1000


def test_a_secret_that_the_cut_would_have_halved_is_gone_whole() -> None:
    text = str(row_of(event("x" * 990 + " " + KEY), max_chars=1000)["text"])
    assert KEY[:12] not in text


def test_a_secret_split_by_nul_is_still_found() -> None:
    assert KEY[:30] not in str(row_of(event(KEY[:20] + "\x00" + KEY[20:]))["text"])


def test_an_exit_code_that_no_column_holds_is_left_out() -> None:
    assert row_of(event(tool=ToolUse("bash", exit_code=2**40)))["exit_code"] is None
    assert row_of(event(tool=ToolUse("bash", exit_code=-9)))["exit_code"] == -9


@given(st.text(st.characters(codec=None)))
def test_whatever_the_text_postgresql_takes_it(text: str) -> None:
    row = row_of(event(text, id=text, locator=text, speaker=text, tool=ToolUse(text, text, text)))
    for value in row.values():
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode()


def test_an_event_said_twice_is_stored_once_and_gets_the_result_that_came_with_the_second() -> None:
    call = event(role="tool", kind="tool", tool=ToolUse("bash", "pytest"))
    result = replace(call, tool=ToolUse("bash", "pytest", "1 failed", 1), outcome="failed")
    [one] = storable([call, result, call], max_chars=1000)
    assert (one.row["tool_output"], one.row["exit_code"], one.row["outcome"]) == ("1 failed", 1, "failed")


def test_an_event_said_twice_with_another_text_keeps_the_first() -> None:
    [one] = storable([event("first"), event("second")], max_chars=1000)
    assert one.row["text"] == "first"
