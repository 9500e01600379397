"""The session and agent of a model call, as each agent names them; what is no label is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.api.call_origin import origin_of
from app.inference.request import CallOrigin

ONE, OTHER, THIRD = (f"0{number}a2272e-a579-7990-9f08-77e546571c8c" for number in (0, 1, 2))
NOBODY = CallOrigin()
KEY = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


def told(headers: dict[str, str], body: dict[str, Any] | None = None) -> CallOrigin:
    return origin_of({"headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]}, body or {})


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, NOBODY),
        (
            {"x-cairn-session": "review 7", "x-cairn-agent": "tests", "x-cairn-parent-agent": "lead"},
            CallOrigin("review 7", "tests", "lead"),
        ),
        ({"x-claude-code-session-id": ONE}, CallOrigin(ONE)),
        (
            {"x-claude-code-session-id": ONE, "x-claude-code-agent-id": "a1b2c3", "x-claude-code-parent-agent-id": "a9"},
            CallOrigin(ONE, "a1b2c3", "a9"),
        ),
        ({"session-id": ONE, "thread-id": ONE, "originator": "codex_exec"}, CallOrigin(ONE)),
        ({"session-id": ONE, "thread-id": OTHER, "x-codex-parent-thread-id": ONE}, CallOrigin(ONE, OTHER)),
        ({"session-id": ONE, "thread-id": OTHER, "x-codex-parent-thread-id": THIRD}, CallOrigin(ONE, OTHER, THIRD)),
        ({"session_id": ONE, "conversation_id": OTHER}, CallOrigin(ONE)),
        ({"conversation_id": ONE}, CallOrigin(ONE)),
        ({"x-cairn-session": "mine", "x-claude-code-session-id": ONE}, CallOrigin("mine")),
        ({"x-cairn-agent": "alone"}, NOBODY),
    ],
)
def test_each_agents_headers_are_read(headers: dict[str, str], origin: CallOrigin) -> None:
    assert told(headers) == origin


@pytest.mark.parametrize("value", ["", "  ", "s" * 201, "a\x00b", "a\tb\n", KEY, "\x85"])
def test_what_is_no_label_is_left_out_and_the_next_header_counts(value: str) -> None:
    assert told({"x-cairn-session": value}) == NOBODY
    assert told({"x-cairn-session": value, "x-claude-code-session-id": ONE}) == CallOrigin(ONE)
    assert told({"x-cairn-session": "mine", "x-cairn-agent": value}) == CallOrigin("mine")


@pytest.mark.parametrize(
    ("body", "session"),
    [
        ({"metadata": {"user_id": json.dumps({"device_id": "1f", "account_uuid": "", "session_id": ONE})}}, ONE),
        ({"metadata": {"user_id": f"user_{'1f' * 32}_account_{OTHER}_session_{ONE}"}}, ONE),
        ({"metadata": {"user_id": f"user_{'1f' * 32}_account__session_{ONE}"}}, ONE),
        ({"metadata": {"user_id": "ada"}}, None),
        ({"metadata": {"user_id": "{"}}, None),
        ({"metadata": {"user_id": json.dumps({"session_id": 7})}}, None),
        ({"metadata": {"user_id": json.dumps({"session_id": KEY})}}, None),
        ({"metadata": {"user_id": '{"session_id": "\ud800"}'}}, None),
        ({"metadata": {"user_id": 7}}, None),
        ({"metadata": "odd"}, None),
        ({"prompt_cache_key": ONE}, ONE),
        ({"prompt_cache_key": "the-app-v1"}, None),
        ({"prompt_cache_key": ["odd"]}, None),
    ],
)
def test_a_body_names_the_session_where_no_header_does(body: dict[str, Any], session: str | None) -> None:
    assert told({}, body) == CallOrigin(session)
    assert told({"x-cairn-session": "mine"}, body) == CallOrigin("mine")
