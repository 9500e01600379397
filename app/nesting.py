"""Limit how deep JSON may be nested: one bound for requests and transcripts. Pure."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 100
"""Levels of lists and objects. Python's encoders, pydantic and templates recurse: some fail at 255 levels, others at 1,000."""


def may_be_deep(raw: str | bytes) -> bool:
    """Tell whether JSON text has enough opening brackets to be too deep: a cheap count before a parse; nearly no text has."""
    if isinstance(raw, str):
        return raw.count("[") + raw.count("{") > MAX_DEPTH
    return raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def too_deep(value: object, *, limit: int = MAX_DEPTH) -> bool:
    """Tell whether lists and objects are nested deeper than `limit`. Level by level, without recursion."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each) if isinstance(child, dict | list)]
        if not level:
            return False
    return bool(level)
