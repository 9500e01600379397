"""Offer a custom tool, which takes free text, to a provider that knows only functions: as a function with one string, and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from app.inference.conversation import Conversation, ToolDefinition
from app.inference.surrogates import mend_text

FIELD = "input"
"""The function's only property: what the custom tool is given."""
_HEAD = ("{", '"', *FIELD, '"', ":", '"')
"""The characters before the text, in order; white space may stand before each except those of the name."""
_SPACES = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def wrapped(tool: ToolDefinition) -> ToolDefinition:
    """Return a custom tool as a function. A grammar can't be enforced there, so the model is told it."""
    grammar = _grammar(tool.format)
    schema = {
        "type": "object",
        "properties": {FIELD: {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": [FIELD],
        "additionalProperties": False,
    }
    description = "\n\n".join(each for each in (tool.description, grammar) if each) or None
    return replace(tool, kind="function", schema=schema, format=None, description=description)


def wrapped_text(text: str) -> str:
    """Return a custom tool's text as the function's arguments."""
    return msgspec.json.encode({FIELD: text}).decode()


def unwrapped(arguments: str) -> str:
    """Return the text of a wrapped tool's arguments; all of them, if the model wrote something else."""
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return Unwrapper().whole(arguments)
    if isinstance(found, dict) and isinstance(text := found.get(FIELD), str):
        return mend_text(text)
    return "" if found == {} else arguments


def custom_names(asked: Conversation | None) -> frozenset[str]:
    """Return the names of a conversation's custom tools."""
    tools = () if asked is None else asked.tools
    return frozenset(each.name for each in tools if isinstance(each, ToolDefinition) and each.kind == "custom")


class Unwrapper:
    """Takes a wrapped tool's arguments piece by piece, as they are streamed, and returns the text in them.

    Arguments of another form are held back until the end. Text that was cut off is returned as far as it came.
    """

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._head = 0
        self._odd = False
        self._escape = ""
        self._high = ""
        self._closed = False

    def feed(self, piece: str) -> str:
        """Take a piece; return what it adds to the text."""
        if not self._inside:
            self._seen.append(piece)
        out: list[str] = []
        for char in piece:
            if self._odd or self._closed:
                break
            if self._inside:
                out.append(self._next(char))
            else:
                self._before(char)
        return "".join(out)

    def end(self) -> str:
        """Return what is still held back."""
        if self._inside and not self._odd:
            return self._lone()
        return unwrapped("".join(self._seen)) if self._odd else "".join(self._seen)

    def whole(self, arguments: str) -> str:
        """Return the text of arguments that are no valid JSON: what can be read of it, else all of them."""
        text = self.feed(arguments)
        return text + self._lone() if self._inside and not self._odd else arguments

    @property
    def _inside(self) -> bool:
        return self._head == len(_HEAD)

    def _before(self, char: str) -> None:
        """Advance through the head; anything else is another form."""
        if char == _HEAD[self._head]:
            self._head += 1
        elif char not in _SPACES or 1 < self._head <= 1 + len(FIELD):
            self._odd = True

    def _next(self, char: str) -> str:
        """Return what one character within the string adds."""
        if self._escape:
            return self._escaped(char)
        if char == "\\":
            self._escape = char
            return ""
        if char == '"':
            self._closed = True
            return self._lone()
        return self._lone() + char

    def _escaped(self, char: str) -> str:
        self._escape += char
        if self._escape[1] != "u":
            self._escape = ""
            return self._lone() + _ESCAPES.get(char, char)
        if len(self._escape) < 6:
            return ""
        digits, self._escape = self._escape[2:], ""
        try:
            code = int(digits, 16)
        except ValueError:
            return self._lone() + digits
        if 0xD800 <= code < 0xDC00:
            lone, self._high = self._lone(), chr(code)
            return lone
        if 0xDC00 <= code < 0xE000:
            high, self._high = self._high, ""
            return (high + chr(code)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if high else "\ufffd"
        return self._lone() + chr(code)

    def _lone(self) -> str:
        """Return U+FFFD for a high surrogate that has no other half."""
        lone, self._high = "\ufffd" if self._high else "", ""
        return lone


def _grammar(form: Mapping[str, Any] | None) -> str | None:
    if form is None or form.get("type") != "grammar":
        return None
    return f"The input must follow this grammar ({form.get('syntax', 'lark')}):\n{form.get('definition', '')}"
