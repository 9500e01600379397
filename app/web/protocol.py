"""The HTTP protocol below the application: heads of bounded size, deadlines, pipelining, errors in the API's one shape."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Literal, cast

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.web.answer_transport import AnswerTransport
from app.web.connections import KEY, Connections, Reason
from app.web.forwarded import TrustedProxies, bucket
from app.web.refusals import (
    HEAD_TOO_LARGE,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    MAX_PIPELINED_KEYED,
    NOT_HTTP,
    REFUSALS,
    HttpRefusal,
    refusal_of,
    refusing,
)

REFUSED_SECONDS = 2.0
"""A connection refused at accept is answered when its request arrives, or after this: a client that still sends would lose the response."""
LINGER_SECONDS, LINGER_BYTES = 5.0, 64 * 2**20
"""Bounds of a lingering close: a client that still sends is read, and its bytes dropped, up to these (RFC 9112, 9.6)."""

Phase = Literal["resting", "head", "body", "whole"]


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines and bounds. `_phase` is that of the request being received; `whole`: received completely."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
        proxies: TrustedProxies,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.bucket: str | None = None
        self.keyed = False
        self.opened_at = 0.0
        self._judged = False  # the application has told whether the request's key is good, or has begun to answer
        self._connections = connections
        self._limits = connections.limits
        self._proxies = proxies
        self._proxied = False
        self._phase: Phase = "head"
        self._seconds_left = self._limits.header_seconds
        self._head_bytes = 0
        self._begun = False  # part of a request has been received
        self._unsent, self._unsent_seconds = 0, 0.0
        self._refusal: Reason | None = None
        self._current: RequestResponseCycle | None = None  # the request being answered; `cycle` is the last one received
        self._entered = False  # the application has started on it
        self._delayed: Any = None  # its application, while the client doesn't read earlier responses
        self._lingering, self._dropped = False, 0  # our side is closed (FIN sent); bytes received after that
        self._answers: AnswerTransport | None = None

    # Called by asyncio and the parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.opened_at = self.loop.time()
        self._answers = AnswerTransport(self.transport, self.loop.call_soon, lambda: self._over, self._close_after_answer)
        peer = self.client[0] if self.client else ""
        self._proxied = peer in self._proxies
        self.bucket = None if self._proxied else bucket(peer)
        self._refusal = self._connections.opened(self)
        if self._refusal is not None:
            self._seconds_left = REFUSED_SECONDS
            if self._connections.overrun:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self)
        self._abandon()
        super().connection_lost(exc)
        self._answers = None  # breaks a reference cycle
        if self.cycle is not None:
            self.cycle.transport = self.transport

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._delayed is not None and self._current is not None:
            app, self._delayed = self._delayed, None
            self._start_asgi_task(self._current, app)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._drop(len(data))
        if self._over:
            return  # ignored: the connection is closing
        if self._refusal is not None:
            self._refuse(refusal_of(self._refusal, self._limits))
            return
        if self._phase == "head":
            self._head_bytes += len(data)
        elif self._phase == "body":
            earned = self._seconds_left + len(data) / self._limits.body_bytes_per_second
            self._seconds_left = min(earned, self._limits.body_seconds)
        super().data_received(data)
        if self._phase == "head" and self._head_bytes > MAX_HEAD_BYTES and not self._over:
            self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        if self._over:  # the parser can't be stopped within one chunk
            self.url, self.headers = b"", []
            return
        if self._phase != "head":  # a new connection's deadline runs since it was opened
            self._begin("head", self._limits.header_seconds)
        self._head_bytes, self._begun = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._over:
            return
        if self._answering and len(self.pipeline) >= (MAX_PIPELINED_KEYED if self.keyed or self._proxied else MAX_PIPELINED):
            self._connections.cut(self, "too_many_pipelined")
            return
        self._begin("body", self._limits.body_seconds)
        self.scope[KEY] = self  # type: ignore[literal-required]
        app = self.app
        if self._proxied and (refused := self._attribute()) is not None:
            self.app = refusing(refusal_of(refused, self._limits))
        super().on_headers_complete()
        self.app = app
        self.cycle.transport = cast("asyncio.Transport", self._answers)

    def on_body(self, body: bytes) -> None:
        if not self._over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._over:
            return
        super().on_message_complete()
        if self._answering:
            self._phase = "whole"
            if not self._judged:
                self._connections.undecided(self)
        else:  # answered before it was received completely
            self._begin("resting", self._limits.idle_seconds)

    def on_response_complete(self) -> None:
        if self._lingering:
            self.server_state.total_requests += 1
            self._abandon()
            return
        super().on_response_complete()
        self.miss_key()
        if self._phase == "whole" and not self._answering:
            self._begin("resting", self._limits.idle_seconds)
            if self._proxied:
                self.keyed = False
                self._connections.attribute(self, None)

    def send_400_response(self, msg: str) -> None:
        del msg  # uvicorn's own, which doesn't say what to do
        self._refuse(NOT_HTTP)

    def shutdown(self) -> None:
        if self._lingering:
            self.transport.close()
        else:
            super().shutdown()

    # Called by the registry (`connections.py`)

    @property
    def evictable(self) -> bool:
        return not self._answering or self._phase == "body" or self.flow.write_paused

    @property
    def resting(self) -> bool:
        return self._phase == "resting"

    def show_key(self) -> None:
        self.keyed = self._judged = True
        self._connections.key_shown(self)

    def miss_key(self) -> None:
        if not self._judged:
            self._judged = True
            self._connections.key_missing(self)

    def tick(self, seconds: float) -> Reason | None:
        """Count only the time spent waiting for the client. Returns the reason to cut the connection, if a deadline has passed."""
        if self._current is not None and self._current.response_started:
            self.miss_key()  # a long answer on a path that takes no key: its connection counts while it is being read
        if self._unread(seconds):
            return "answer_unread"
        if self.transport.is_closing() or (self._waits_for_us and not self._lingering):
            return None
        self._seconds_left -= seconds
        if self._seconds_left > 0:
            return None
        if self._lingering:
            self.transport.close()
            return None
        if self._refusal is not None:
            return self._refusal
        return "idle" if self._phase == "resting" else "body_slow" if self._phase == "body" else "head_slow"

    def cut(self, reason: Reason) -> None:
        """Close the connection, with an error response unless another one has started or no request has come."""
        current = self._current
        answering = current is not None and not current.response_complete
        begun = current is not None and answering and (current.response_started or (self._entered and bool(self.pipeline)))
        self._flush()
        if begun or self._over or self.transport.get_write_buffer_size():
            self.transport.abort()  # a truncated response must not look complete
        elif self._refusal is not None or (reason in REFUSALS and self._begun):
            self._refuse(refusal_of(reason, self._limits))
        else:
            self.transport.close()
        self._abandon()

    # Internal

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request unless its connection is cut; delay it while the client doesn't read earlier responses (backpressure)."""
        self._current, self._entered = cycle, False
        if self._over:
            self._abandon()
        elif self.flow.write_paused:
            self._delayed = app
        else:
            super()._start_asgi_task(cycle, partial(self._enter, cycle, app))

    async def _enter(self, cycle: RequestResponseCycle, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if cycle.disconnected:
            return  # cut before it was started
        self._entered = True
        if self._answers is not None:
            self._answers.expects_head = True
        await app(scope, receive, send)

    def _abandon(self) -> None:
        """Mark the running request as disconnected, and drop the pipelined ones: writing to a closed transport would fail."""
        if self._current is not None and not self._current.response_complete:
            self._current.disconnected = True
            self._current.message_event.set()
        self.pipeline.clear()
        self._delayed = None

    @property
    def _over(self) -> bool:
        """Return True once the connection is closing: no more requests are answered."""
        return self._lingering or self.transport.is_closing()

    @property
    def _answering(self) -> bool:
        return (self.cycle is not None and not self.cycle.response_complete) or bool(self.pipeline)

    @property
    def _waits_for_us(self) -> bool:
        if self._phase == "whole" or self.flow.read_paused:
            return True
        if self._phase == "body":
            return bool(self.cycle.waiting_for_100_continue)
        return self._phase == "head" and self._answering

    def _begin(self, phase: Phase, seconds: float) -> None:
        self._phase, self._seconds_left = phase, seconds
        if phase == "resting":
            self._begun = False

    def _unread(self, seconds: float) -> bool:
        """Tell whether the client has read nothing of the answer for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_seconds = unsent, 0.0
            return False
        self._unsent_seconds += seconds
        return self._unsent_seconds >= self._limits.write_seconds

    def _attribute(self) -> Reason | None:
        """Attribute a trusted proxy's request to its client. Returns the reason where that client has too many connections."""
        assert self.client is not None
        origin = self._proxies.origin(self.client[0], self.headers)
        self.scope["client"] = (origin.address, 0)
        if origin.scheme is not None:
            self.scope["scheme"] = origin.scheme
        self.keyed = self._judged = False
        return self._connections.attribute(self, None if origin.address == self.client[0] else bucket(origin.address))

    def _flush(self) -> None:
        if self._answers is not None:
            self._answers.flush()

    def _close_after_answer(self) -> None:
        """Close after a response; linger if it was sent before the end of its request, since the client may still be sending."""
        self._flush()
        if self._phase == "body":
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Close our side, then read and drop the rest: closing with unread bytes sends RST, and the client may lose the response."""
        if not self.transport.can_write_eof() or not self._connections.let_linger(self):
            self.transport.close()
            return
        self._lingering, self._seconds_left = True, LINGER_SECONDS
        self.flow.resume_reading()
        self.transport.write_eof()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > LINGER_BYTES:
            self.transport.close()

    def _refuse(self, refusal: HttpRefusal) -> None:
        if self._over:
            return  # it has a response already
        current = self._current
        begun = current is not None and current.response_started and not current.response_complete
        self._abandon()
        self._flush()
        if begun:
            self.transport.abort()  # inside another response it would be read as part of that one
            return
        self.transport.write(refusal.response())
        self._linger()
