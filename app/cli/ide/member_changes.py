"""Tells which members of a configuration change, and nothing of what stands beside them: that may be secret. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

HIDDEN = "…"
SECRET_NAMES = frozenset({"key"})
"""Members whose value is shown nowhere."""
FOREIGN_NAMES = frozenset({"env", "headers", "http_headers"})
"""Members whose value isn't shown where it is taken out: someone may have put a token of theirs in."""
_PLAIN_NAME = re.compile(r"[\w-]+")


def member_changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each member that is taken out (`- path = value`) or put in (`+ …`)."""
    if _written(before) == _written(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(each for each in after if each not in before)]:
            yield from _of_member(before, after, name, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_elements(before, after, path)
    else:
        yield _line("-", path, before)
        yield _line("+", path, after)


def _of_member(before: Mapping[str, Any], after: Mapping[str, Any], name: str, path: str) -> Iterator[str]:
    here = ".".join(filter(None, (path, name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False))))
    if name not in after:
        yield _line("-", here, before[name])
    elif name not in before:
        yield _line("+", here, after[name])
    else:
        yield from member_changes(before[name], after[name], here)


def _of_elements(before: list[Any], after: list[Any], path: str) -> Iterator[str]:
    matcher = SequenceMatcher(None, [_written(each) for each in before], [_written(each) for each in after], autojunk=False)
    for kind, old, old_end, new, new_end in matcher.get_opcodes():
        if kind == "replace" and old_end - old == new_end - new:
            for at in range(old_end - old):
                yield from member_changes(before[old + at], after[new + at], f"{path}[{old + at}]")
        elif kind != "equal":
            yield from (_line("-", f"{path}[{at}]", before[at]) for at in range(old, old_end))
            yield from (_line("+", f"{path}[{at}]", after[at]) for at in range(new, new_end))


def _line(sign: str, path: str, value: Any) -> str:
    names = set(re.split(r"[.\[]", path))
    hidden = names & SECRET_NAMES or (sign == "-" and names & FOREIGN_NAMES)
    return f"{sign} {path} = {HIDDEN if hidden else _written(_without_secrets(value, taken_out=sign == '-'))}"


def _without_secrets(value: Any, *, taken_out: bool) -> Any:
    hidden = SECRET_NAMES | (FOREIGN_NAMES if taken_out else frozenset())
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in hidden else _without_secrets(each, taken_out=taken_out) for name, each in value.items()}
    return [_without_secrets(each, taken_out=taken_out) for each in value] if isinstance(value, list) else value


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
