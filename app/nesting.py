"""How deep JSON may be nested: one bound for what callers send and for what transcripts hold. Pure."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 100
"""Lists and objects within each other. Python's encoders, pydantic and templates recurse: some give up at 255 levels, others at 1,000."""


def may_be_deep(raw: str | bytes) -> bool:
    """Whether a JSON text opens so many lists and objects that it could be too deep. Nearly no text does: a count, not a walk."""
    if isinstance(raw, str):
        return raw.count("[") + raw.count("{") > MAX_DEPTH
    return raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def too_deep(value: object, *, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects stand more than `limit` deep in each other. Level by level: without recursion of its own."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each) if isinstance(child, dict | list)]
        if not level:
            return False
    return bool(level)
