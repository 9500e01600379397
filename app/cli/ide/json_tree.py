"""Parses JSON, with comments and trailing commas, into a tree that knows where each part stands in the text. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 200
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')


class InvalidJson(ValueError):
    """A text is no JSON; the message says where."""


@dataclass(frozen=True, slots=True)
class JsonPart:
    """A value in a text, from `start` to `end`. `value`: a scalar's; `parts`: the members of an object or array, in order."""

    start: int
    end: int
    kind: str
    value: Any = None
    parts: tuple[JsonMember, ...] = ()

    def member(self, name: str) -> JsonMember | None:
        """Return an object's member; of several of one name the last, as every reader of JSON does."""
        return next((each for each in reversed(self.parts) if each.name == name), None)

    def plain(self) -> Any:
        """Return the value as Python's json would."""
        if self.kind == "object":
            return {each.name: each.part.plain() for each in self.parts}
        return [each.part.plain() for each in self.parts] if self.kind == "array" else self.value


@dataclass(frozen=True, slots=True)
class JsonMember:
    """A member of an object, from its name to its value's end; or an element of an array, which has no name."""

    start: int
    name: str
    part: JsonPart

    @property
    def end(self) -> int:
        return self.part.end


def parse_json(text: str) -> JsonPart:
    """Parse a whole text. Raises InvalidJson."""
    found = _value(text, skip_blank(text, 0), 0)
    if (end := skip_blank(text, found.end)) != len(text):
        raise _wrong(text, end, "the text should end here")
    return found


def skip_blank(text: str, at: int) -> int:
    """Return the place of the next character that is neither blank nor in a comment."""
    found = _BLANK.match(text, at)
    return found.end() if found is not None else at


def _value(text: str, at: int, depth: int) -> JsonPart:
    if depth > MAX_DEPTH:
        raise _wrong(text, at, f"more than {MAX_DEPTH} values are nested in one another")
    if text[at : at + 1] in {"{", "["}:
        return _container(text, at, depth)
    found = _SCALAR.match(text, at)
    if found is None:
        raise _wrong(text, at, "a value is missing")
    try:
        return JsonPart(at, found.end(), "scalar", json.loads(found[0]))
    except ValueError as error:
        raise _wrong(text, at, "a value is malformed") from error


def _container(text: str, opened: int, depth: int) -> JsonPart:
    kind, closing = ("object", "}") if text[opened] == "{" else ("array", "]")
    parts: list[JsonMember] = []
    at = skip_blank(text, opened + 1)
    while text[at : at + 1] != closing:
        start, name = at, ""
        if kind == "object":
            named = _value(text, at, depth + 1) if text[at : at + 1] == '"' else None
            if named is None:
                raise _wrong(text, at, "a name is missing")
            name, at = named.value, skip_blank(text, named.end)
            if text[at : at + 1] != ":":
                raise _wrong(text, at, "a colon is missing")
            at = skip_blank(text, at + 1)
        part = _value(text, at, depth + 1)
        parts.append(JsonMember(start, name, part))
        at = skip_blank(text, part.end)
        if text[at : at + 1] == ",":
            at = skip_blank(text, at + 1)
        elif text[at : at + 1] != closing:
            raise _wrong(text, at, f"a comma or {closing} is missing")
    return JsonPart(opened, at + 1, kind, parts=tuple(parts))


def _wrong(text: str, at: int, what: str) -> InvalidJson:
    line = text.count("\n", 0, at) + 1
    return InvalidJson(f"line {line}, column {at - text.rfind(chr(10), 0, at)}: {what}")
