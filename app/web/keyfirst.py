"""Routes with large bodies: nothing is parsed before a key was shown, and no prompt is changed on its way."""

from __future__ import annotations

from typing import ClassVar

from fastapi import Request

from app.web.json_body import JsonRequest, JsonRoute
from app.web.principal import authenticated


class Verbatim(JsonRequest):
    """Half a character is refused: no provider can be sent it, and a prompt that was mended would be another one."""

    mend: ClassVar[bool] = False


class KeyFirst(JsonRoute):
    """FastAPI reads and parses a body before it solves dependencies; here the key comes first."""

    request_class: ClassVar[type[JsonRequest]] = Verbatim

    async def admit(self, request: Request) -> None:
        await authenticated(request)
