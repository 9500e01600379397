"""Routes with large bodies: nothing is parsed before a key was shown, and what is parsed is bounded in time and memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import TooLarge
from app.web.principal import authenticated

MOST_CONTAINERS = 250_000
"""Lists and objects of a body: a megabyte of brackets would become a gigabyte of them."""
MOST_NAMED_BYTES = 65_536


class KeyFirst(APIRoute):
    """FastAPI reads and parses a body before it solves dependencies; here the key comes first."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def key_first(request: Request) -> Response:
            await authenticated(request)
            return await handle(Bounded(request.scope, request.receive))

        return key_first


class Bounded(Request):
    """`json` with msgspec: ten times as fast as the standard library's, and it takes no half characters."""

    async def json(self) -> Any:
        if not hasattr(self, "_parsed"):
            raw = await self.body()
            if raw.count(b"[") + raw.count(b"{") > MOST_CONTAINERS:
                raise TooLarge(f"The body has more than {MOST_CONTAINERS:,} lists and objects. Send less.")
            self._parsed = _parsed(raw)
        return self._parsed


def _parsed(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        if b"NaN" in raw[:MOST_NAMED_BYTES] or b"Infinity" in raw[:MOST_NAMED_BYTES]:
            return json.loads(raw[:MOST_NAMED_BYTES])  # no JSON, but then the field can be named that holds it
        raise json.JSONDecodeError(str(error), "", 0) from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise json.JSONDecodeError(str(error), "", 0) from None
