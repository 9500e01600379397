"""A provider's answer in OpenAI's shape, whole or in chunks: what is in it, and whether it is one at all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.budget.prices import Usage
from app.inference import surrogates
from app.inference.faults import Fault, malformed, of_error_object
from app.inference.usage import reply_usage

SAYING = ("tool_calls", "function_call", "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "refusal", "audio")
"""Beside `content`: fields of a message or delta that hold something produced."""
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
"""Of these a provider may fill several with the same thought."""
ENVELOPE = frozenset({"id", "index", "type", "role", "format", "signature", "expires_at"})
"""Keys whose values the model didn't write."""
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
    finished: frozenset[int] = frozenset()
    """The choices that ended here."""
    usage: Usage | None = None
    model: str | None = None

    @property
    def indexes(self) -> Iterator[int]:
        """Of the choices that it speaks of."""
        return (index for each in self.data.get("choices") or () if isinstance(index := each.get("index", 0), int))

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
    finished: frozenset[int] = frozenset()
    usage: Usage | None = None
    model: str | None = None
    bytes: int = 0

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self.texts.append(chunk.text)
        self.said = self.said or chunk.said
        self.plain = self.plain and chunk.plain
        self.finish = chunk.finish or self.finish
        self.finished |= chunk.finished
        self.bytes += len(chunk.raw)
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
    written = [_written(message) for message in messages]
    said = any(written) or any(message.get(name) for message in messages for name in SAYING)
    if not said and finish_reason(choices[0]) is None:
        raise Fault("empty", "it answered with nothing", unknown=True, usage=used)
    return Completion(raw, model(data), used, "\n".join(written))


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
            if (content and not isinstance(content, str)) or any(delta.get(name) for name in SAYING):
                made.text += _written(delta, beside=isinstance(content, str))
                made.said, made.plain = True, False
        if choice.get("index", 0) != 0 or choice.get("logprobs"):
            made.plain = False
        if (reason := finish_reason(choice)) is not None:
            made.finish = reason
            made.finished |= {index if isinstance(index := choice.get("index", 0), int) else 0}
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


def _written(message: Mapping[str, Any], *, beside: bool = False) -> str:
    """Join everything in a message that the model wrote, to be counted: words, names and arguments, not the JSON around them.

    `beside`: without its `content`.
    """
    thought = next((found for name in THOUGHTS if (found := message.get(name))), None)
    parts = [None if beside else message.get("content"), thought, *(message.get(name) for name in SAYING if name not in THOUGHTS)]
    return "".join(text for part in parts for text in _strings(part))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _strings(each)
        case dict():
            for name, each in value.items():
                if name not in ENVELOPE:
                    yield from _strings(each)


def unbilled(chunk: Chunk) -> bytes:
    """Return a chunk's JSON without the provider's usage: the caller sees ours, once, at the end."""
    data, choices = chunk.data, chunk.data.get("choices") or ()
    groq = data.get("x_groq")
    if not data.get("usage") and not (isinstance(groq, dict) and "usage" in groq) and not any("usage" in each for each in choices):
        return chunk.raw
    bare = _without_usage(data)
    if isinstance(groq, dict):
        bare["x_groq"] = _without_usage(groq)
    return msgspec.json.encode({**bare, "choices": [_without_usage(each) for each in choices]})


def _without_usage(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "usage"}


def with_usage(raw: bytes, found: Usage) -> bytes:
    """Put a usage into a whole answer: ours, where the provider gave none or one that can't be true."""
    return msgspec.json.encode({**msgspec.json.decode(raw), "usage": usage_object(found)})


def usage_object(found: Usage) -> dict[str, Any]:
    """Write a usage as OpenAI does."""
    return {
        "prompt_tokens": found.input,
        "completion_tokens": found.output,
        "total_tokens": found.total,
        "prompt_tokens_details": {"cached_tokens": found.cached_input},
    }


def shortened(raw: bytes, cut: Callable[[str], str]) -> bytes:
    """Cut what the model wrote in a whole answer, text by text, and finish with "length" the choices in which something was cut."""
    data = msgspec.json.decode(raw)
    for choice in data["choices"]:
        message = choice["message"]
        before = msgspec.json.encode(message)
        for name in ("content", *SAYING):
            if name in message:
                message[name] = _each(message[name], cut)
        if msgspec.json.encode(message) != before:
            choice["finish_reason"] = "length"
    return msgspec.json.encode(data)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text that the model wrote in a field."""
    match value:
        case str():
            return change(value)
        case list():
            return [_each(each, change) for each in value]
        case dict():
            return {name: each if name in ENVELOPE else _each(each, change) for name, each in value.items()}
    return value


def ending(chunk: Chunk, text: str, choices: Iterable[int]) -> Chunk:
    """Make the last chunk of a stream that was ended: what still fits of `chunk`, and "length" as the finish of these choices."""
    head = {name: value for name, value in chunk.data.items() if name not in {"choices", "usage"}}
    made = [{"index": index, "delta": {"content": text} if text else {}, "finish_reason": "length"} for index in choices]
    data = {**head, "choices": made}
    return Chunk(msgspec.json.encode(data), data, text=text, said=bool(text), plain=chunk.plain, finish="length")
