"""A provider's answer in OpenAI's shape, whole or in chunks: what is in it, and whether it is one at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.budget.prices import Usage
from app.inference import surrogates
from app.inference.faults import Fault, malformed, of_error_object
from app.inference.usage import reply_usage

SAYING = ("tool_calls", "function_call", "reasoning_content", "reasoning", "refusal", "audio")
"""Beside `content`: fields of a message or delta that hold something produced."""
TEXTUAL = frozenset({"role", "content"})
UNFINISHED = frozenset({"", "null"})
"""How some servers write that an answer isn't finished yet: null, as a finish."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. `raw`: its JSON as the provider sent it."""

    raw: bytes
    model: str | None
    usage: Usage | None
    text: str
    """All that was produced: for our own count, where the provider gives none."""


@dataclass(slots=True)
class Chunk:
    """One event of a stream. `raw` is its JSON; `said`: it holds something produced; `plain`: text of a lone choice and nothing else."""

    raw: bytes
    data: dict[str, Any]
    text: str = ""
    said: bool = False
    plain: bool = True
    finish: str | None = None
    finished: int = 0
    """How many of its choices ended here."""
    usage: Usage | None = None
    model: str | None = None

    @property
    def bare(self) -> bool:
        """Its delta holds text and nothing besides, not even a field that we don't know."""
        deltas = (choice.get("delta") for choice in self.data.get("choices") or ())
        return self.plain and not any(found for each in deltas if each for name, found in each.items() if name not in TEXTUAL)


@dataclass(slots=True)
class Produced:
    """What a stream has brought so far."""

    texts: list[str] = field(default_factory=list)
    said: bool = False
    plain: bool = True
    finish: str | None = None
    finished: int = 0
    usage: Usage | None = None
    model: str | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self.texts.append(chunk.text)
        self.said = self.said or chunk.said
        self.plain = self.plain and chunk.plain
        self.finish = chunk.finish or self.finish
        self.finished += chunk.finished
        self.usage = chunk.usage or self.usage
        self.model = chunk.model or self.model

    @property
    def text(self) -> str:
        return "".join(self.texts)


def decoded(raw: bytes) -> object:
    """Fault when it is no JSON. Halves of characters are mended."""
    return decoded_whole(raw)[0]


def decoded_whole(raw: bytes) -> tuple[object, bytes]:
    """An answer in one piece, and its JSON as every reader takes it. Fault when it is no JSON."""
    try:
        return msgspec.json.decode(raw), raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        data = surrogates.mend(surrogates.decode(raw))
        return data, surrogates.encode(data)
    except (ValueError, RecursionError) as error:
        raise malformed("it answered with something that is no JSON") from error


def completion(data: object, raw: bytes) -> Completion:
    """Fault when it is no answer: then it is not passed on, whatever its status."""
    if not isinstance(data, dict):
        raise malformed("it answered with something that is no completion")
    if data.get("error"):
        raise of_error_object(data["error"])
    used, choices = reply_usage(data), data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Fault("empty", "it answered without a choice", unknown=True, usage=used)
    messages = [found for each in choices if isinstance(each, dict) and isinstance(found := each.get("message"), dict)]
    if len(messages) < len(choices):
        raise malformed("it answered with a choice that has no message", usage=used)
    said = [_said(message) for message in messages]
    if not any(said) and finish_reason(choices[0]) is None:
        raise Fault("empty", "it answered with nothing", unknown=True, usage=used)
    return Completion(raw, model(data), used, "\n".join(said))


def chunk(data: object, raw: bytes) -> Chunk:
    """Fault when it is an error, or no chunk."""
    if not isinstance(data, dict):
        raise malformed("its stream holds something that is no chunk")
    if data.get("error"):
        raise of_error_object(data["error"])
    made = Chunk(raw, data, usage=reply_usage(data), model=model(data))
    choices = data.get("choices") or ()
    if not isinstance(choices, Sequence) or not all(isinstance(each, dict) for each in choices):
        raise malformed("its stream holds a chunk whose choices can't be read")
    for choice in choices:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if isinstance(content, str) and content:
                made.text += content
                made.said = True
            elif content or any(delta.get(name) for name in SAYING):
                made.text += _said(delta)
                made.said, made.plain = True, False
        if choice.get("index", 0) != 0 or choice.get("logprobs"):
            made.plain = False
        if (reason := finish_reason(choice)) is not None:
            made.finish = reason
            made.finished += 1
        elif choice.get("finish_reason") is not None:
            choice["finish_reason"] = None
            made.raw = surrogates.encode(data)  # a client would take "" for the end
    return made


def finish_reason(choice: Mapping[str, Any]) -> str | None:
    """Why a choice ended. None: it hasn't."""
    found = choice.get("finish_reason")
    return found if isinstance(found, str) and found not in UNFINISHED else None


def check_end(finish: str | None) -> None:
    """Fault unless a stream that is over brought an answer to its end. An empty one is an answer."""
    if finish is None:
        raise Fault("cut", "its stream ended without a finish", unknown=True)


def model(data: Mapping[str, Any]) -> str | None:
    """Into rows and headers: no longer than a name, no control characters."""
    found = data.get("model")
    return found if isinstance(found, str) and 0 < len(found) <= 200 and found.isprintable() and found.isascii() else None


def _said(message: Mapping[str, Any]) -> str:
    """Everything in a message that was produced, as one text to count."""
    parts = [message.get("content"), *(message.get(name) for name in SAYING)]
    return "".join(part if isinstance(part, str) else repr(part) for part in parts if part)
