"""Describes the routes that the client asks, and makes of one with its values the request to send. Knows no HTTP client.

A route is an `Endpoint`: all of them stand in `endpoints`, and a test compares them with the server's OpenAPI page.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote, urlencode

T_co = TypeVar("T_co", covariant=True)
Values = Mapping[str, Any]
IDEMPOTENCY_HEADER = "idempotency-key"
JSON_TYPE, NDJSON_TYPE, BYTES_TYPE = "application/json", "application/x-ndjson", "application/octet-stream"


@dataclass(frozen=True)  # with slots, Python 3.11 can't make a frozen generic one
class Endpoint(Generic[T_co]):
    """A route. `result`: the annotation of what it answers. `query`, `headers`, `body`: the names that the client sends there.

    `repeatable`: asked twice it does no more than asked once. `keyed`: it takes an idempotency key, which makes it so.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    result: Any
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    content: str = JSON_TYPE
    repeatable: bool = False
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request to send. `content`: whole, or made anew by each call, as bytes come from a file."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes | Callable[[], Any] | None = None
    repeatable: bool = False
    once: bool = False
    """The content can't be read a second time."""


class PageOf(Protocol[T_co]):
    """A page of a list."""

    @property
    def items(self) -> tuple[T_co, ...]:
        """Return the entries of this page."""

    @property
    def next_cursor(self) -> str | None:
        """Return the cursor of the next page; None: this is the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The values of one call. Those that are None are left out; `content` is sent instead of a JSON body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Values = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Values | None = None
    content: bytes | Callable[[], Any] | None = None
    once: bool = False
    """The content can't be read a second time."""


def prepare(endpoint: Endpoint[object], given: Given) -> PreparedRequest:
    """Make the request of a call. Raises ValueError for an id that can't be one, TypeError for an argument that there isn't."""
    for names, known in ((given.query, endpoint.query), (given.headers, endpoint.headers), (given.body or {}, endpoint.body)):
        if unknown := sorted(set(names) - set(known)):
            raise TypeError(f"unknown argument {unknown[0]!r}: there are {', '.join(known)}")
    content = given.content
    if given.body is not None:
        content = json.dumps(_kept(given.body), default=_plain).encode()
    headers = {"accept": "application/json", **_kept(given.headers)}
    if content is not None:
        headers["content-type"] = endpoint.content
    if endpoint.keyed:
        headers[IDEMPOTENCY_HEADER] = uuid.uuid4().hex  # one for all attempts of this request
    query = {name: _text(value) for name, value in _kept(given.query).items()}
    target = _filled(endpoint.path, given.path) + (f"?{urlencode(query)}" if query else "")
    return PreparedRequest(endpoint.method, target, headers, content, endpoint.repeatable, given.once)


def _filled(path: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = str(value)
        if not text or text in {".", ".."}:
            raise ValueError(f"{name} must be an id, not {text!r}")
        path = path.replace(f"{{{name}}}", quote(text, safe=""))
    return path


def _kept(values: Values) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_plain(value)) if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> Any:
    """Return what JSON takes for a value that it doesn't. A time without a zone is the local one, as Python has it."""
    match value:
        case datetime():
            return value.astimezone().isoformat()
        case Decimal():
            return float(value)
        case uuid.UUID():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} can't be sent as JSON")


def ndjson(lines: list[dict[str, Any]]) -> bytes:
    """Write one JSON object a line."""
    return b"".join(json.dumps(_kept(each), default=_plain).encode() + b"\n" for each in lines)
