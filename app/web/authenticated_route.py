"""The class of every route under a key: its permission is checked before its body is read, its headers stand in the API's description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from fastapi import Request
from fastapi.dependencies.models import Dependant

from app.web.json_body import JsonRequest, JsonRoute
from app.web.requester import TakesKey


class AuthenticatedRoute(JsonRoute):
    """FastAPI reads and parses a body before it solves dependencies; here the requester's permission comes first."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._keys = tuple(_keys_of(self.dependant))
        headers = {each["name"]: each for key in self._keys for each in key.headers}
        if headers:
            extra = dict(self.openapi_extra or {})
            self.openapi_extra = extra | {"parameters": [*extra.get("parameters", ()), *headers.values()]}

    async def admit(self, request: Request) -> None:
        for key in self._keys:
            key.check(request.scope)


class VerbatimRequest(JsonRequest):
    """Half a character is refused: no provider can be sent it, and a prompt that was mended would be another one."""

    mend: ClassVar[bool] = False


class VerbatimRoute(AuthenticatedRoute):
    """A route that takes a prompt."""

    request_class: ClassVar[type[JsonRequest]] = VerbatimRequest


def _keys_of(dependant: Dependant) -> Iterator[TakesKey]:
    for each in dependant.dependencies:
        if isinstance(each.call, TakesKey):
            yield each.call
        yield from _keys_of(each)
