"""What every wire format must be able to do. Owns the shape, no format."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from tests.fakes.provider.answers import Answer, Ask, Json
from tests.fakes.provider.refusals import Kind

_encode: Final = msgspec.json.Encoder().encode
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Script:
    """A stream: what comes before the first token, one event for each token, what comes after the last."""

    head: bytes
    tokens: list[bytes]
    tail: bytes


class Wire(Protocol):
    """One provider's format. `waiting`: what a stream sends to keep a connection alive. `end`: the end of an otherwise empty stream."""

    @property
    def kind(self) -> Kind: ...

    @property
    def waiting(self) -> bytes: ...

    @property
    def end(self) -> bytes: ...

    @property
    def error_event(self) -> bytes: ...

    @property
    def error_body(self) -> bytes: ...

    def read(self, path: str, body: Json) -> Ask:
        """The ask in a request's body; `Refused` for what the real server refuses."""
        ...

    def whole(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> bytes: ...

    def script(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> Script: ...

    def embeddings(self, model: str, body: Json, dimensions: int, *, usage: bool) -> bytes: ...

    def models(self, names: Sequence[str]) -> bytes: ...


def encode(value: object) -> bytes:
    """JSON; half a character is escaped, as some servers do."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def number() -> int:
    """The next number for an id: unique in this process."""
    return next(_numbers)


def now() -> int:
    return int(time.time())


def data(event: Json) -> bytes:
    """A server-sent event without a name."""
    return b"data: %b\n\n" % encode(event)


def named(name: str, event: Json) -> bytes:
    """A server-sent event with a name."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(event))


def output_tokens(answers: Sequence[Answer]) -> int:
    return sum(len(answer.tokens) for answer in answers)


def positive(value: object) -> int | None:
    """A token limit as a request gives it; None where it gives none."""
    return value if isinstance(value, int) and value > 0 else None
