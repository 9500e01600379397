"""Route classes for routes that take a key: permission is checked before the body is read, headers are listed in OpenAPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from fastapi import Request
from fastapi.dependencies.models import Dependant

from app.web.json_body import JsonRequest, JsonRoute
from app.web.requester import KeyAuth


class AuthenticatedRoute(JsonRoute):
    """Checks the requester's permission first: FastAPI alone would parse the body before it resolves dependencies."""

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
    """Refuses lone surrogates: no provider accepts them, and a repaired prompt would be a different prompt."""

    mend: ClassVar[bool] = False


class VerbatimRoute(AuthenticatedRoute):
    """A route that takes a prompt, which must stay as it was sent."""

    request_class: ClassVar[type[JsonRequest]] = VerbatimRequest


def _keys_of(dependant: Dependant) -> Iterator[KeyAuth]:
    for each in dependant.dependencies:
        if isinstance(each.call, KeyAuth):
            yield each.call
        yield from _keys_of(each)
