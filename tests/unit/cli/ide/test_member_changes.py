"""A change of a configuration is told by its members alone."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli.ide.member_changes import member_changes


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": "x", "b": {"c": 1}}, {"a": "x", "b": {"c": 1, "d": [2]}}, ["+ b.d = [2]"]),
        ({"a": "x", "b": 1}, {"a": "x"}, ["- b = 1"]),
        ({"a": 1}, {"a": True}, ["- a = 1", "+ a = true"]),
        ({"a b": 1}, {}, ['- "a b" = 1']),
        ({"h": ["x", "y"]}, {"h": ["x", "z", "y"]}, ['+ h[1] = "z"']),
        ({"h": [{"g": ["x", "y"]}]}, {"h": [{"g": ["x"]}]}, ['- h[0].g[1] = "y"']),
        ({"url": "u", "key": "k"}, {"url": "u", "key": "l"}, ["- key = …", "+ key = …"]),
        ({"m": {"env": {"T": "t"}, "command": "c"}}, {}, ['- m = {"env": "…", "command": "c"}']),
        ({"m": {"env": {"T": "t"}}}, {"m": {}}, ["- m.env = …"]),
        ({}, {"m": {"headers": {"A": "Bearer $CAIRN_KEY"}}}, ['+ m = {"headers": {"A": "Bearer $CAIRN_KEY"}}']),
    ],
)
def test_only_what_changes_is_told(before: Any, after: Any, told: list[str]) -> None:
    assert list(member_changes(before, after)) == told
