"""The fake provider: a real HTTP server on the loopback that speaks OpenAI's, Groq's, Anthropic's and Gemini's formats.

It decides what a request gets; the formats write it, the delivery sends it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self, get_args

import msgspec
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from tests.fakes.provider.answers import Json, Prefill
from tests.fakes.provider.delivery import Delivery
from tests.fakes.provider.exchange import Exchange, Habits
from tests.fakes.provider.faults import Fault, FaultName, Faults, http_date
from tests.fakes.provider.record import Asked
from tests.fakes.provider.refusals import Kind
from tests.fakes.provider.routes import API_BASES, route
from tests.fakes.provider.wire import Wire, encode, number

IDLE_SECONDS: Final = 0.05
"""How long `close_idle` leaves the connection open after its answer."""
BODY_BYTES: Final = 64 * 2**20
_decode: Final = msgspec.json.Decoder().decode


class FakeProvider:
    """`async with FakeProvider() as fake:` serves at `fake.url` until the end of the context.

    Answers come after `first_token_ms`, then a token each `per_token_ms`. `prefill`: what becomes of a last message of the assistant.
    `dimensions`: of an embedding that doesn't ask for some. The last `remember` requests are kept.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        first_token_ms: float = 0,
        per_token_ms: float = 0,
        prefill: Prefill = "continue",
        models: Sequence[str] = ("fake-1", "fake-2"),
        dimensions: int = 8,
        remember: int = 10_000,
    ) -> None:
        if prefill not in get_args(Prefill):
            raise ValueError(f"prefill is one of {get_args(Prefill)}, not {prefill!r}")
        self.first_token_ms = first_token_ms
        self.per_token_ms = per_token_ms
        self.url = ""
        self._habits = Habits(prefill=prefill, models=tuple(models), dimensions=dimensions)
        self._port = port
        self._asked: deque[Asked] = deque(maxlen=remember)
        self._faults = Faults()
        self._busy: dict[asyncio.Task[object], asyncio.Transport | None] = {}
        self._stopping = False
        self._runner: web.ServerRunner | None = None

    @property
    def asked(self) -> list[Asked]:
        """The requests that came, oldest first."""
        return list(self._asked)

    def api_base(self, kind: Kind) -> str:
        """What a client of this kind takes as its base URL."""
        return self.url + API_BASES[kind]

    def will(
        self,
        fault: FaultName,
        *,
        times: int | None = 1,
        after_tokens: int = 0,
        retry_after: float | str | datetime | None = None,
        seconds: float | None = None,
        match: str | None = None,
    ) -> None:
        """Plan a fault for the next requests (None: for all until `clear`), or for the next ones for the model `match`.

        `retry_after`: seconds, or a moment for an HTTP date, or a string sent as it is. `seconds`: of a wait, None for ever.
        """
        after = http_date(retry_after) if isinstance(retry_after, datetime) else retry_after
        planned = Fault(fault=fault, times=times, after_tokens=after_tokens, retry_after=after, seconds=seconds, match=match)
        self._faults.plan(planned)

    def say(self, text: str | None) -> None:
        """Answer with this text from now on; None: as usual."""
        self._habits = replace(self._habits, says=text)

    def clear(self) -> None:
        """Forget the planned faults and the requests."""
        self._faults.clear()
        self._asked.clear()

    async def idle(self) -> None:
        """Wait until no request is being answered: then `asked` says who left."""
        while self._busy:
            await asyncio.sleep(0.002)

    async def start(self) -> None:
        self._stopping = False
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End at once: requests that wait are cut off."""
        self._stopping = True
        for task in self._busy:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._busy[task] = request.transport
        try:
            if request.path.startswith("/_control"):
                return await self._control(request)
            return await self._provide(request)
        finally:
            del self._busy[task]

    async def _provide(self, request: web.BaseRequest) -> web.StreamResponse:
        wire, task, model = route(request.method, request.path, request.headers)
        body = _object(await request.read())
        asked = Asked(
            method=request.method,
            path=request.path_qs,
            headers=request.headers,
            body=body or {},
            model=model or str((body or {}).get("model", "")),
            peer=request.transport.get_extra_info("peername")[1] if request.transport is not None else 0,
        )
        self._asked.append(asked)
        fault = self._faults.take(asked.model)
        asked.fault = fault.fault if fault else None
        delivery = self._delivery(request, asked, wire, fault)
        exchange = Exchange(
            delivery=delivery,
            wire=wire,
            task=task,
            model=asked.model,
            path=request.path,
            body=body,
            fault=fault,
            habits=self._habits,
        )
        try:
            response = await exchange.respond()
        except asyncio.CancelledError:
            asked.disconnected = not (self._stopping or asked.ended_by_us or asked.finished)
            raise
        except ConnectionError:
            asked.disconnected = not (asked.ended_by_us or asked.finished)
            return web.Response()  # raised, aiohttp would log it as an error of ours
        if fault is not None and fault.fault == "close_idle":
            seconds = IDLE_SECONDS if fault.seconds is None else fault.seconds
            asyncio.get_running_loop().call_later(seconds, self._close_idle, request.transport)
        return response

    def _close_idle(self, transport: asyncio.Transport | None) -> None:
        """Close a kept-alive connection without a word, as a load balancer does; not under a request that it meanwhile has."""
        if transport is not None and transport not in self._busy.values():
            transport.close()

    def _delivery(self, request: web.BaseRequest, asked: Asked, wire: Wire, fault: Fault | None) -> Delivery:
        return Delivery(
            request=request,
            asked=asked,
            headers={"request-id" if wire.kind == "anthropic" else "x-request-id": f"req_{number():012d}"},
            first=self.first_token_ms / 1000,
            each=self.per_token_ms / 1000,
            fault=fault.fault if fault else None,
            after_tokens=fault.after_tokens if fault else 0,
            pause=fault.seconds if fault else None,
            wire=wire,
        )

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        """The same for another process: POST /_control/faults (one or a list), GET /_control/asked, DELETE /_control."""
        match request.method, request.path:
            case "POST", "/_control/faults":
                try:
                    given = _decode(await request.read())
                    for each in msgspec.convert(given if isinstance(given, list) else [given], list[Fault]):
                        self._faults.plan(each)
                except msgspec.DecodeError as error:  # a ValidationError is one
                    return web.Response(status=400, text=str(error))
            case "GET", "/_control/asked":
                return web.Response(body=encode([each.plain() for each in self._asked]), content_type="application/json")
            case "DELETE", "/_control":
                self.clear()
            case _:
                raise web.HTTPNotFound
        return web.Response(body=b"{}", content_type="application/json")


def _request(
    message: RawRequestMessage, payload: StreamReader, protocol: RequestHandler, writer: AbstractStreamWriter, task: asyncio.Task[None]
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=BODY_BYTES)


def _object(content: bytes) -> Json | None:
    try:
        found = _decode(content)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None
