"""Sends requests over a pool of connections, again where that is safe, and reads the replies. The only module that asks the HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import httpx2

from cairn.client._async.runtime import sleep
from cairn.client.address import Address
from cairn.client.errors import CairnError, NotConfigured, UnreadableReply
from cairn.client.reading import read
from cairn.client.replies import Reply, error_of, json_of
from cairn.client.requests import Endpoint, Given, PageOf, PreparedRequest, prepare
from cairn.client.retries import RetryPolicy
from cairn.client.transfer import MAX_REPLY_BYTES, STREAM_SILENCE_SECONDS, headers_for, refuse_too_large, timeout_of, translated

T = TypeVar("T")


class AsyncTransport:
    """A pool of connections to one server."""

    def __init__(
        self, address: Address, *, team: str | None, timeout: float, retries: RetryPolicy, transport: httpx2.AsyncBaseTransport | None
    ) -> None:
        self.address = address
        self.retries = retries
        self._timeout = timeout_of(timeout)
        plain = address.local and address.url.startswith("http:")  # reading the system's certificates takes as long as some requests
        self._http = httpx2.AsyncClient(
            headers=headers_for(address, team), timeout=self._timeout, transport=transport, trust_env=not address.local, verify=not plain
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def call(self, endpoint: Endpoint[T], given: Given | None = None, *, silence: float | None = None) -> T:
        """Ask, and return what the route answers. `silence`: seconds that it may last, instead of the client's."""
        prepared = prepare(endpoint, given or Given())
        reply, _ = await self._ask(prepared, self._timeout if silence is None else timeout_of(silence), whole=True)
        found = json_of(reply)
        result: T = read(endpoint.result, found)
        return result

    async def every(self, endpoint: Endpoint[PageOf[T]], given: Given, what: str) -> AsyncIterator[T]:
        """Iterate over a list; pages are asked for as they are needed. `what`: what it lists, for a message."""
        cursor = None
        while True:
            page = await self.call(endpoint, replace(given, query={**given.query, "cursor": cursor}))
            for each in page.items:
                yield each
            if page.next_cursor is None:
                return
            if page.next_cursor == cursor:
                raise UnreadableReply(f"The server's list of {what} leads from a page to itself. Check that it is a Cairn server.")
            cursor = page.next_cursor

    @asynccontextmanager
    async def stream(self, endpoint: Endpoint[T], given: Given) -> AsyncIterator[AsyncIterator[httpx2.ServerSentEvent]]:
        """Ask, and yield the server-sent events of the reply; the connection is closed at the end of the context."""
        prepared = prepare(endpoint, given)
        reply, response = await self._ask(prepared, timeout_of(STREAM_SILENCE_SECONDS), whole=False)
        try:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise UnreadableReply(f"{reply.asked} was answered with something else than a stream. Check that it is a Cairn server.")
            yield self._events(response)
        finally:
            await response.aclose()

    async def _events(self, response: httpx2.Response) -> AsyncIterator[httpx2.ServerSentEvent]:
        with translated(self.address.url):
            async for event in httpx2.EventSource(response):
                yield event

    async def _ask(self, prepared: PreparedRequest, bounds: httpx2.Timeout, *, whole: bool) -> tuple[Reply, httpx2.Response]:
        """Send a request until it succeeds or trying again is of no use. A reply that isn't `whole` is open, and its body empty."""
        done = 0
        while True:
            try:
                return await self._attempt(prepared, bounds, whole=whole)
            except CairnError as error:
                wait = self.retries.wait(done, error, repeatable=prepared.repeatable, once=prepared.once)
                if wait is None:
                    raise
            done += 1
            await sleep(wait)

    async def _attempt(self, prepared: PreparedRequest, bounds: httpx2.Timeout, *, whole: bool) -> tuple[Reply, httpx2.Response]:
        if self._http.is_closed:
            raise NotConfigured("This client is closed: make another one, or keep it open for as long as it is used.")
        asked = f"{prepared.method} {self.address.url}{prepared.target.partition('?')[0]}"
        with translated(self.address.url):
            content = prepared.content() if callable(prepared.content) else prepared.content
            request = self._http.build_request(
                prepared.method, self.address.url + prepared.target, headers=dict(prepared.headers), content=content, timeout=bounds
            )
            response = await self._http.send(request, stream=True)
            stays_open = False
            try:
                stays_open = response.is_success and not whole
                body = b"" if stays_open else await _read_bounded(response, asked)
            finally:
                if not stays_open:
                    await response.aclose()
        reply = Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body, asked)
        if not response.is_success:
            raise error_of(reply)
        return reply, response


async def _read_bounded(response: httpx2.Response, asked: str) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            refuse_too_large(asked)
    return b"".join(parts)
