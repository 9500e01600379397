"""The outermost layer, driven as an ASGI server drives it; nothing listens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.errors import DatabaseUnavailable, NotPermitted
from app.main import create_app
from app.settings import Settings
from app.web import errors
from app.web.request_middleware import BodyLimit, RequestMiddleware

LIMIT = 100


@dataclass(slots=True)
class Exchange:
    """One request in pieces, and what came back."""

    pieces: Sequence[bytes] = (b"",)
    headers: Sequence[tuple[str, str]] = ()
    method: str = "POST"
    path: str = "/x"
    read: int = 0
    sent: list[Message] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    async def through(self, app: object) -> Exchange:
        scope: Scope = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in self.headers],
            "query_string": b"",
        }
        await RequestMiddleware(app, limit=BodyLimit(LIMIT, "part.most"), limits={("POST", "/big"): BodyLimit(1000, "part.big")})(
            scope, self._receive, self._send
        )  # type: ignore[arg-type]
        return self

    async def _receive(self) -> Message:
        if self.read >= len(self.pieces):
            return {"type": "http.disconnect"}
        self.read += 1
        self.events.append("read")
        return {"type": "http.request", "body": self.pieces[self.read - 1], "more_body": self.read < len(self.pieces)}

    async def _send(self, message: Message) -> None:
        self.events.append("sent")
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def header(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def error(self) -> Any:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))["error"]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body)(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers before it has read anything, as a route does that refuses the key."""
    await errors.reply_to(NotPermitted("Not yours."))(scope, receive, send)


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("SECRET words of a driver")


async def crash_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("SECRET words of a driver")


async def test_a_body_within_its_limit_passes() -> None:
    done = await Exchange([b"a" * 60, b"b" * 40]).through(echo)
    assert (done.status, done.sent[1]["body"]) == (200, b"a" * 60 + b"b" * 40)


async def test_a_streamed_body_is_counted_whatever_was_announced() -> None:
    done = await Exchange([b"a" * 60, b"b" * 41], headers=[("content-length", "5")]).through(echo)
    assert (done.status, done.error["code"]) == (413, "too_large")


@pytest.mark.parametrize("announced", ["101", "9" * 5000])
async def test_an_announced_body_over_the_limit_never_reaches_the_application(announced: str) -> None:
    done = await Exchange([b"a" * 101], headers=[("content-length", announced)]).through(crash)
    assert done.status == 413


async def test_a_route_may_have_its_own_limit() -> None:
    assert (await Exchange([b"a" * 900], path="/big").through(echo)).status == 200
    assert "1,000 bytes (part.big)" in (await Exchange([b"a" * 1001], path="/big").through(echo)).error["message"]
    assert "100 bytes (part.most)" in (await Exchange([b"a" * 1001], path="/other").through(echo)).error["message"]
    assert (await Exchange([b"a" * 900], path="/big", method="PUT").through(echo)).status == 413


async def test_a_refusal_waits_until_the_body_is_read() -> None:
    done = await Exchange([b"a"] * 5).through(refuse)
    assert done.events == ["read"] * 5 + ["sent"] * 2
    assert "connection" not in done.header


async def test_a_client_that_leaves_while_it_is_refused_ends_the_reading() -> None:
    exchange = Exchange([b"a"])
    exchange.read = 1
    done = await exchange.through(refuse)
    assert done.status == 403


async def test_an_answer_to_a_client_that_left_before_it_is_logged_as_499() -> None:
    async def misread(scope: Scope, receive: Receive, send: Send) -> None:
        """As FastAPI does with a body that broke off."""
        try:
            await Request(scope, receive).body()
        except ClientDisconnect:
            await PlainTextResponse("There was an error parsing the body", 400)(scope, receive, send)

    exchange = Exchange([b"a", b"b"])
    exchange.read = 2
    with capture_logs() as logged:
        await exchange.through(misread)
    assert [(each["event"], each["status"]) for each in logged] == [("http.answered", 499)]


async def test_what_goes_wrong_unforeseen_is_a_500_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    done = await Exchange(headers=[("x-request-id", "r-1")]).through(crash)
    assert done.status == 500
    assert done.error["code"] == "internal_error"
    assert done.error["request_id"] == done.header["x-request-id"] == "r-1"
    assert "SECRET" not in json.dumps(done.error)


async def test_a_reply_that_breaks_midway_is_cut_not_finished() -> None:
    exchange = Exchange()
    with pytest.raises(ValueError, match="driver"):
        await exchange.through(crash_midway)
    assert [message["type"] for message in exchange.sent] == ["http.response.start"]


async def test_a_client_that_leaves_is_no_error() -> None:
    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert (await Exchange().through(left)).sent == []


async def test_an_outage_says_when_to_come_back() -> None:
    async def away(scope: Scope, receive: Receive, send: Send) -> None:
        await errors.reply_to(DatabaseUnavailable("Away.", retry_after=2.1))(scope, receive, send)

    done = await Exchange().through(away)
    assert (done.status, done.header["retry-after"], done.error["code"]) == (503, "3", "database_unavailable")


@pytest.mark.parametrize("offered", ["a" * 129, "a b", "a\tb", 'a"', "ä", ""])
async def test_a_request_id_that_could_spoil_a_log_is_replaced(offered: str) -> None:
    done = await Exchange(headers=[("x-request-id", offered)]).through(echo)
    assert len(done.header["x-request-id"]) == 32


async def test_what_is_no_request_passes_untouched() -> None:
    seen: list[Scope] = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: Scope = {"type": "lifespan"}
    exchange = Exchange()
    await RequestMiddleware(lifespan, limit=BodyLimit(1, "part.most"), limits={})(scope, exchange._receive, exchange._send)
    assert seen == [scope]


def test_every_limit_of_a_body_names_settings_that_there_are_and_their_sum() -> None:
    settings = Settings()
    (middleware,) = [each for each in create_app(settings).user_middleware if each.cls is RequestMiddleware]
    for limit in [middleware.kwargs["limit"], *middleware.kwargs["limits"].values()]:
        assert limit.bytes == sum(attrgetter(name)(settings) for name in limit.setting.split(" + "))
