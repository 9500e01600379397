"""The fast path of the busiest routes: past FastAPI's router and its solver, which took a quarter of a model call's time.

How an endpoint is called is worked out once, from the signature that OpenAPI is made of. A request that is as it should be goes to the
endpoint at once; any other is left to FastAPI, which refuses it as on every route. Knows no route.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import CairnError
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute

JSON: Final = b"application/json"
Place = tuple[str, str]
"""Method and path."""


class UnusualRequest(Exception):
    """Raised for a request that FastAPI has to look at; `body`: what was read of it, whole, or None."""

    def __init__(self, body: bytes | None) -> None:
        super().__init__("left to FastAPI")
        self.body = body


class EndpointCall:
    """A route's endpoint and where its arguments come from. TypeError for a signature that needs more than this."""

    def __init__(self, route: AuthenticatedRoute) -> None:
        wanted = route.dependant
        if _needs_more(wanted) or len(wanted.body_params) != 1:
            raise TypeError(f"{route.path} can't take the fast path: it may take a JSON body, the request, and headers by alias.")
        self.route = route
        self._body = wanted.body_params[0]
        self._request_name = wanted.request_param_name
        self._headers = [(each, each.alias.lower().encode()) for each in wanted.header_params]
        self._dependencies = [(each.name or "", _called_with_request(each)) for each in wanted.dependencies]

    async def answer(self, request: Request) -> Response:
        """Return the endpoint's response; a CairnError as the response that it is. UnusualRequest before anything was done."""
        try:
            return await self.route.endpoint(**await self._arguments(request))  # type: ignore[no-any-return]
        except CairnError as error:
            return errors.reply_to(error)

    async def _arguments(self, request: Request) -> dict[str, Any]:
        await self.route.admit(request)
        given = dict(request.scope["headers"][::-1])  # of one that was sent twice the first counts
        if given.get(b"content-type") != JSON:
            raise UnusualRequest(None)
        if not (raw := await request.body()):
            raise UnusualRequest(raw)
        try:
            body = await request.json()
        except json.JSONDecodeError:
            raise UnusualRequest(raw) from None
        found: dict[str, Any] = {} if self._request_name is None else {self._request_name: request}
        for name, dependency in self._dependencies:
            found[name] = await dependency(request)
        found[self._body.name] = _checked(self._body, body, raw)
        for field, header in self._headers:
            value = given.get(header)
            found[field.name] = field.default if value is None else _checked(field, value.decode("latin-1"), raw)
        return found


class FastPath:
    """Wraps the router: answers the routes that it has a call for."""

    def __init__(self, app: ASGIApp, *, calls: Mapping[Place, EndpointCall]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._calls.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = call.route
        try:
            response = await call.answer(call.route.request_class(scope, receive))
        except UnusualRequest as unusual:
            await self._app(scope, receive if unusual.body is None else _read_again(unusual.body, receive), send)
            return
        await response(scope, receive, send)


def _needs_more(dependant: Dependant) -> bool:
    """Tell whether a signature has anything but a body, headers, dependencies and the request."""
    special = (
        dependant.path_params,
        dependant.query_params,
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    return any(special) or any(each.field_info.is_required() or each.alias == each.name for each in dependant.header_params)


def _called_with_request(dependant: Dependant) -> Callable[[Request], Awaitable[Any]]:
    """Return a dependency that takes the request alone. TypeError for any other."""
    if _needs_more(dependant) or dependant.dependencies or dependant.header_params or dependant.body_params or dependant.call is None:
        raise TypeError(f"The dependency {dependant.name} takes more than the request, so its route can't take the fast path.")
    call, name = dependant.call, dependant.request_param_name
    return call if name == "request" else lambda request: call(**({} if name is None else {name: request}))


def _checked(field: Any, value: object, raw: bytes) -> Any:
    """Return a validated value. UnusualRequest for one that is wrong: FastAPI names all that are."""
    checked, problems = field.validate(value, {}, loc=())
    if problems:
        raise UnusualRequest(raw)
    return checked


def _read_again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read to the next who reads; then what else comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
