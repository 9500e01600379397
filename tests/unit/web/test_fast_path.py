"""The fast path beside FastAPI's own: the same routes, called through both, answer alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.types import Message, Scope

from app.errors import Conflict, NotPermitted, TooLarge
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.fast_path import EndpointCall, FastPath
from tests.waiting import patience

router = APIRouter(prefix="/v1", route_class=AuthenticatedRoute)


class Asked(BaseModel):
    name: str = Field(max_length=5)
    count: int = Field(1, ge=1, strict=True)


async def _who(request: Request) -> str:
    if request.headers.get("x-who") == "nobody":
        raise NotPermitted("Nobody may.")
    return request.headers.get("x-who", "somebody")


Who = Annotated[str, Depends(_who)]
Project = Annotated[Annotated[str, Field(max_length=4)] | None, Header(alias="x-project")]


@router.post("/asked")
async def asked(request: Request, who: Who, body: Asked, project: Project = None) -> Response:
    if body.name == "taken":
        raise Conflict("It is taken.")
    again = await request.json()
    return Response(json.dumps([who, body.name, body.count, project, again]), media_type="application/json")


@router.post("/loose")
async def loose(who: Who, body: dict[str, Any]) -> Response:
    return Response(json.dumps([who, body]), status_code=201)


ROUTES = [each for each in router.routes if isinstance(each, AuthenticatedRoute)]


def application(*, fast: bool) -> FastAPI:
    app = FastAPI()
    if fast:
        app.add_middleware(FastPath, calls={("POST", each.path): EndpointCall(each) for each in ROUTES})
    errors.install(app)
    app.include_router(router)
    return app


async def answered(app: FastAPI, path: str, body: list[bytes], headers: dict[str, str], method: str = "POST") -> tuple[int, Any, Any]:
    """Status, body, and the headers of the answer."""
    pieces = [{"type": "http.request", "body": each, "more_body": place < len(body) - 1} for place, each in enumerate(body)]
    sent: list[Message] = []

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "root_path": "",
    }
    async with patience():
        await app(scope, receive, send)
    assert scope["route"].path == path or method != "POST"
    whole = b"".join(each.get("body", b"") for each in sent[1:])
    return sent[0]["status"], whole, sorted(sent[0]["headers"])


JSON = {"content-type": "application/json"}
GOOD = b'{"name": "ada", "count": 2}'


@pytest.mark.parametrize("path", ["/v1/asked", "/v1/loose"])
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ([GOOD], JSON, None),
        ([GOOD[:5], GOOD[5:]], JSON, None),
        ([GOOD], {"content-type": "application/json; charset=utf-8"}, None),
        ([GOOD], {"content-type": "application/vnd.cairn+json"}, None),
        ([GOOD], JSON | {"x-project": "shop", "x-who": "ada"}, None),
        ([GOOD], JSON | {"x-who": "nobody"}, 403),
        ([b"{"], JSON | {"x-who": "nobody"}, 400),
        ([b'{"name": 1}'], JSON | {"x-who": "nobody"}, 403),
        ([GOOD], {}, 422),
        ([GOOD], {"content-type": "text/plain"}, 422),
        ([b""], JSON, 422),
        ([b"null"], JSON, 422),
        ([b"[1]"], JSON, 422),
        ([b"{"], JSON, 400),
        ([b"\xff\xfe"], JSON, 400),
        ([b'{"name": NaN}'], JSON, 422),
        ([b'{"name": ' + b"[" * 200 + b"]" * 200 + b"}"], JSON, 422),
    ],
)
async def test_the_fast_path_answers_as_fastapi_does(path: str, body: list[bytes], headers: dict[str, str], status: int | None) -> None:
    fast, slow = [await answered(application(fast=each), path, list(body), headers) for each in (True, False)]
    assert fast == slow
    assert fast[0] == (status or {"/v1/asked": 200, "/v1/loose": 201}[path])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"name": "taken"}', {}, 409),
        (b'{"name": "too long"}', {}, 422),
        (b'{"name": "ada", "count": "2"}', {}, 422),
        (b'{"count": 0}', {}, 422),
        (GOOD, {"x-project": "too long"}, 422),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_in_the_same_words(body: bytes, headers: dict[str, str], status: int) -> None:
    fast, slow = [await answered(application(fast=each), "/v1/asked", [body], JSON | headers) for each in (True, False)]
    assert fast == slow
    assert fast[0] == status


async def test_another_method_of_the_path_is_fastapis() -> None:
    assert (await answered(application(fast=True), "/v1/asked", [b""], {}, "GET"))[0] == 405


async def test_a_body_that_is_too_large_while_it_is_read_is_refused_as_such() -> None:
    app, sent = application(fast=True), list[Message]()

    async def receive() -> Message:
        raise TooLarge("The body is larger than allowed.")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/asked", "headers": [(b"content-type", b"application/json")]}
    await app(scope, receive, send)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("needs", ["query", "path", "two bodies"])
def test_a_signature_that_the_fast_path_does_not_know_is_refused_at_the_start(needs: str) -> None:
    more = APIRouter(route_class=AuthenticatedRoute)

    async def with_query(body: Asked, limit: Annotated[int, Query()] = 1) -> None: ...
    async def with_path(body: Asked, place: Annotated[str, Path()]) -> None: ...
    async def with_two(body: Asked, other: Asked) -> None: ...

    endpoints: dict[str, Callable[..., Any]] = {"query": with_query, "path": with_path, "two bodies": with_two}
    more.add_api_route("/x/{place}" if needs == "path" else "/x", endpoints[needs], methods=["POST"])
    (route,) = more.routes
    assert isinstance(route, AuthenticatedRoute)
    with pytest.raises(TypeError):
        EndpointCall(route)
