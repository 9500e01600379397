"""Assemble a stream's chunks into the whole answer that the provider would have sent at once. Pure.

Fields that no chunk carries (OpenAI's empty `annotations`) are missing; unknown ones are kept as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from app.inference.answer_assembly import AnswerAssembly
from app.inference.answer_events import WholeAnswer
from app.inference.answers import Chunk
from app.inference.dialects.chat import CHAT
from app.inference.piece_reading import PieceReader

STREAM_ONLY = frozenset({"choices", "usage", "obfuscation", "object"})
LONG = frozenset({"content", "reasoning_content", "reasoning"})
"""Fields of a delta that are long texts, piece by piece."""
NAMING = frozenset({"role", "id", "type", "name", "format", "signature", "expires_at", "index"})
"""Keys of a delta whose value isn't a piece of a text: the first one stays."""


class Assembly:
    """A whole answer in the making: `add` each chunk, then `body`."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}
        """By choice and field: joined at the end, since to lengthen a long text at each chunk would copy it each time."""
        self.reported: Any = None
        """The provider's own usage, as it stands in the answer: complete once `body` was called."""
        self._reader = PieceReader()
        self._typed: AnswerAssembly | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.events is not None:
            self._typed = self._typed or AnswerAssembly()
            self._typed.add(self._reader.typed(chunk.events))
        elif self._typed is not None:  # the end of an answer that Cairn cut short
            self._typed.add(self._reader.plain(chunk.data))
        else:
            self._add_plain(chunk.data)
        self.reported = chunk.data.get("usage") or self.reported

    def typed(self) -> WholeAnswer | None:
        """Return the answer as a provider of another dialect said it, without its usage; None if it speaks Chat Completions."""
        return None if self._typed is None else self._typed.answer()

    def _add_plain(self, data: Mapping[str, Any]) -> None:
        for name, value in data.items():
            if name not in STREAM_ONLY and (value is not None or name not in self._head):
                self._head[name] = _merged(self._head.get(name), value) if isinstance(value, dict) else value
        for choice in data.get("choices") or ():
            self._add_choice(choice)

    def body(self) -> bytes:
        """Return the answer's JSON, with the provider's own usage if it sent one."""
        if (typed := self.typed()) is not None:
            written = CHAT.write_answer(typed, extra={})
            return msgspec.json.encode(written if self.reported is None else {**written, "usage": self.reported})
        head = dict(self._head)
        if isinstance(groq := head.get("x_groq"), dict):
            self.reported = self.reported or groq.get("usage")
            head["x_groq"] = {name: value for name, value in groq.items() if name != "usage"}
        usage = {} if self.reported is None else {"usage": self.reported}
        for (index, name), texts in self._texts.items():
            self._choices[index]["message"][name] = "".join(texts)
        choices = [_finished(self._choices[index]) for index in sorted(self._choices)]
        return msgspec.json.encode({"object": "chat.completion", **head, "choices": choices, **usage})

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        index = choice.get("index") or 0
        whole = self._choices.setdefault(index, {"index": index, "message": {"role": "assistant"}, "finish_reason": None})
        for name, value in choice.items():
            if name == "delta":
                self._add_delta(index, whole["message"], value or {})
            elif name == "message":
                whole["message"] = dict(value)
            elif name == "logprobs":
                whole[name] = _merged(whole.get(name), value)
            elif name not in {"index", "usage"} and (value is not None or name not in whole):
                whole[name] = value

    def _add_delta(self, index: int, message: dict[str, Any], delta: Mapping[str, Any]) -> None:
        texts = {name: value for name, value in delta.items() if name in LONG and isinstance(value, str)}
        for name, text in texts.items():
            message.setdefault(name, None)
            self._texts.setdefault((index, name), []).append(text)
        _merge(message, {name: value for name, value in delta.items() if name not in texts})


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    """Return a choice as a whole answer has it: list items without their index, no content where there are only tool calls."""
    message = {name: _without_index(value) for name, value in choice["message"].items()}
    if not message.get("content"):
        message["content"] = None if message.get("tool_calls") or message.get("function_call") or message.get("refusal") else ""
    return {**choice, "message": message}


def _without_index(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{name: each for name, each in item.items() if name != "index"} if isinstance(item, dict) else item for item in value]


def _merge(whole: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for name, value in piece.items():
        whole[name] = (whole.get(name) or value) if name in NAMING else _merged(whole.get(name), value)


def _merged(before: Any, piece: Any) -> Any:
    """Return a value continued by a piece: texts and lists go on, objects field by field, anything else is replaced."""
    match before, piece:
        case _, None:
            return before
        case str(), str():
            return before + piece
        case dict(), dict():
            whole = dict(before)
            _merge(whole, piece)
            return whole
        case list(), list():
            return _merged_lists(before, piece)
        case None, list():
            return _merged_lists([], piece)
    return piece


def _merged_lists(before: list[Any], piece: list[Any]) -> list[Any]:
    """Append a list's items; one with an index continues the item of that index."""
    whole = list(before)
    for item in piece:
        place = _place(whole, item)
        if place is None:
            whole.append(item)
        else:
            whole[place] = _merged(whole[place], item)
    return whole


def _place(items: list[Any], item: Any) -> int | None:
    index = item.get("index") if isinstance(item, dict) else None
    if index is None:
        return None
    return next((at for at, each in enumerate(items) if isinstance(each, dict) and each.get("index") == index), None)
