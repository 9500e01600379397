"""Route classes for routes that take a key. What holds for all of them is here, once: permission before the body is read, query
parameters that nobody declared, entity tags, and requests that are carried out once. Headers are listed in OpenAPI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant

from app.web import entity_tags, idempotent
from app.web.json_body import Answer, JsonRequest, JsonRoute
from app.web.query_parameters import DeclaredQuery
from app.web.requester import KeyAuth

OURS = "/v1"


class AuthenticatedRoute(JsonRoute):
    """Checks the requester's permission first: FastAPI alone would parse the body before it resolves dependencies."""

    any_query: ClassVar[bool] = False
    """True: query parameters that the route doesn't declare are ignored."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._keys = tuple(_keys_of(self.dependant))
        self._query = None if self.any_query or not path.startswith(OURS) else DeclaredQuery(self.dependant)
        self._once = next((each.call for each in self.dependant.dependencies if isinstance(each.call, idempotent.CarriedOutOnce)), None)
        self._tagged = path.startswith(OURS) and self.methods == {"GET"}
        headers = {each["name"]: each for key in self._keys for each in key.headers}
        if self._tagged and not self.response_class_is_raw:
            headers[entity_tags.IF_NONE_MATCH["name"]] = entity_tags.IF_NONE_MATCH
            self.responses = {304: entity_tags.NOT_MODIFIED, **self.responses}
        if headers:
            extra = dict(self.openapi_extra or {})
            self.openapi_extra = extra | {"parameters": [*extra.get("parameters", ()), *headers.values()]}

    @property
    def response_class_is_raw(self) -> bool:
        """Tell whether the endpoint writes its response itself: a stream, a file, or messages that are given out once."""
        return self.response_model is None

    async def admit(self, request: Request) -> None:
        for key in self._keys:
            key.check(request.scope)

    async def answer(self, request: Request, handle: Answer) -> Response:
        if self._query is not None:
            self._query.check(request.scope)
        if self._once is not None and idempotent.HEADER in request.headers:
            return await self._once.answer(request, handle)
        response = await handle(request)
        return entity_tags.conditional(request, response) if self._tagged else response


class VendorRoute(AuthenticatedRoute):
    """A route in a vendor's format. The vendors' clients add query parameters of their own, which mean nothing here and must not fail:
    Anthropic's SDK sends `?beta=true`, Azure's `?api-version=…`.
    """

    any_query: ClassVar[bool] = True


class VerbatimRequest(JsonRequest):
    """Refuses lone surrogates: no provider accepts them, and a repaired prompt would be a different prompt."""

    mend: ClassVar[bool] = False


class VerbatimRoute(VendorRoute):
    """A route that takes a prompt, which must stay as it was sent."""

    request_class: ClassVar[type[JsonRequest]] = VerbatimRequest


def _keys_of(dependant: Dependant) -> Iterator[KeyAuth]:
    for each in dependant.dependencies:
        if isinstance(each.call, KeyAuth):
            yield each.call
        yield from _keys_of(each)
