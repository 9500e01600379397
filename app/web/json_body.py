"""The one parser of callers' JSON: bounded in size and depth, without lone surrogates, NaN or infinity.

A route takes its body from here through its route class (`JsonRoute`); a route that reads lines calls `parse` itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeAlias

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import InvalidInput, TooLarge, Unreadable
from app.nesting import MAX_DEPTH, may_be_deep, too_deep

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]
MAX_CONTAINERS = 250_000
"""Lists and objects of a body: a megabyte of brackets would need a gigabyte of memory."""
MAX_NAMED_BYTES = 65_536
"""A refused body up to this size is parsed again by Python's slower decoder, so that the error can name the field."""
BOM = b"\xef\xbb\xbf"
TOO_DEEP = f"The JSON is nested deeper than {MAX_DEPTH} levels: flatten it."
LONE_SURROGATE = 'The JSON has a lone surrogate (such as "\\ud83d"): a text was cut in the middle of a character. Cut it at another place.'


class JsonRequest(Request):
    """`json` with msgspec: ten times as fast as the standard library's. `mend`: see `parse`."""

    mend: ClassVar[bool] = True

    async def json(self) -> Any:
        if not hasattr(self, "_parsed"):
            self._parsed = parse(await self.body(), mend=self.mend)
        return self._parsed


class JsonRoute(APIRoute):
    """A route whose body comes through `parse`. Every route that takes JSON is one; a test checks this for all of them."""

    request_class: ClassVar[type[JsonRequest]] = JsonRequest

    async def admit(self, request: Request) -> None:
        """Check a request before its body is read."""

    async def answer(self, request: Request, handle: Answer) -> Response:
        """Answer an admitted request. `handle`: FastAPI's own way from the request to the response."""
        return await handle(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            await self.admit(request)
            return await self.answer(self.request_class(request.scope, request.receive), handle)

        return bounded


def parse(raw: bytes, *, mend: bool = True) -> Any:
    """Parse a JSON text in UTF-8. JSONDecodeError if it is invalid; TooLarge, Unreadable or InvalidInput if it breaks a bound.

    `mend`: a lone surrogate, as JavaScript writes it where a text was cut, becomes U+FFFD; else the body is Unreadable.
    """
    if raw.count(b"[") + raw.count(b"{") > MAX_CONTAINERS:
        raise TooLarge(f"The body has more than {MAX_CONTAINERS:,} lists and objects. Send it in several smaller requests.")
    try:
        value = msgspec.json.decode(raw.removeprefix(BOM))
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None
    except msgspec.DecodeError as error:
        value = _parse_leniently(raw.removeprefix(BOM), mend=mend, why=str(error))
    if may_be_deep(raw):
        _check_depth(value)
    return value


def _parse_leniently(raw: bytes, *, mend: bool, why: str) -> Any:
    """Parse with Python's reader what msgspec refuses: lone surrogates, NaN, numbers out of range."""
    if b"\\ud" not in raw.lower() and len(raw) > MAX_NAMED_BYTES:
        raise json.JSONDecodeError(why, "", 0)
    try:
        found = json.loads(raw.decode())
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except ValueError:
        raise json.JSONDecodeError(why, "", 0) from None
    _check_depth(found)
    if (place := _non_finite_field(found)) is not None:
        raise InvalidInput(
            (f"{place} is NaN, infinite or above 1e308, which JSON can't represent: send a finite number or null."), param=place
        )
    text = json.dumps(found, ensure_ascii=False)
    mended = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not mend and mended != text:
        raise Unreadable(LONE_SURROGATE)
    try:
        return msgspec.json.decode(mended.encode())
    except msgspec.DecodeError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None


def _non_finite_field(value: object, place: str = "") -> str | None:
    """Find the first field that holds NaN or infinity; "body" for the body itself, None if there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return place or "body"
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, each in children if (found := _non_finite_field(each, f"{place}.{key}" if place else str(key)))), None)


def _check_depth(value: object) -> None:
    """Raise InvalidInput, which names the field, if the value is nested too deeply."""
    if too_deep(value):
        fields = value.items() if isinstance(value, dict) else ()
        raise InvalidInput(TOO_DEEP, param=next((str(key) for key, each in fields if too_deep(each, limit=MAX_DEPTH - 1)), None))
