"""An HTTP client of a Cairn server: JSON in and out; the server's errors become `ServerRefused`.

The standard library's, on threads: a client that waits for one answer at a time needs no more, and a laptop no more packages.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.cli.exits import ServerRefused, Unreachable
from app.errors import ConfigurationError

Json = dict[str, Any]
CONNECT_SECONDS, SILENCE_SECONDS = 5, 120
PROXY_STATUSES = frozenset({502, 503, 504})


class ServerClient:
    """An HTTP client bound to one server."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self._headers = headers

    async def get(self, path: str, **params: str | int | None) -> Json:
        return await self._ask("GET", path, params=_given(params))

    async def post(self, path: str, body: Mapping[str, object] | None = None, *, headers: Mapping[str, str] | None = None) -> Json:
        return await self._ask("POST", path, body=_json(body), headers=headers)

    async def patch(self, path: str, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None) -> Json:
        return await self._ask("PATCH", path, body=_json(body), headers=headers)

    async def put(self, path: str, body: Mapping[str, object]) -> Json:
        return await self._ask("PUT", path, body=_json(body))

    async def delete(self, path: str) -> Json:
        return await self._ask("DELETE", path)

    async def upload(
        self,
        chunks: AsyncIterator[bytes],
        *,
        name: str,
        project: str | None,
        format: str,  # noqa: A002
        modified_at: str | None = None,
        directory: str | None = None,
    ) -> str:
        """Stream a transcript; return the id of the job that reads it."""
        headers = {"content-type": "application/octet-stream", "x-filename": quote(name.encode("utf-8", "replace"))}
        params = _given({"project": project, "format": format, "modified_at": modified_at, "directory": directory})
        return str((await self._ask("POST", "/v1/sessions", body=_from_thread(chunks), headers=headers, params=params))["job_id"])

    async def text_lines(self, path: str, **params: str | int | None) -> AsyncIterator[str]:
        """Yield the lines of an answer that is text, such as CSV, as they come."""
        async with self._answer("GET", path, params=_given(params)) as reply:
            while line := await asyncio.to_thread(reply.readline):
                yield line.decode()

    async def lines(self, path: str, *, method: str = "POST", **params: str | int | None) -> AsyncIterator[Json]:
        """Send a request and yield the JSON objects of its answer, one per line."""
        async with self._answer(method, path, params=_given(params)) as reply:
            while line := await asyncio.to_thread(reply.readline):
                if line.strip():
                    yield json.loads(line)

    async def _ask(self, method: str, path: str, **options: Any) -> Json:
        async with self._answer(method, path, **options) as reply:
            body = await asyncio.to_thread(reply.read)
        loaded: Json = json.loads(body) if body else {}
        return loaded

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[HTTPResponse]:
        target = path + (f"?{urlencode(params)}" if params else "")
        sent = {**self._headers, **({"content-type": "application/json"} if isinstance(body, bytes) else {}), **(headers or {})}
        exchange = _Exchange(self.url)
        try:
            reply = await asyncio.to_thread(exchange.send, method, target, body, sent)
            if reply.status >= 400:
                raise refused(await asyncio.to_thread(reply.read), status=reply.status, asked=f"{method} {self.url}{path}")
            yield reply
        except (HTTPException, OSError) as error:
            raise Unreachable(
                f"The server at {self.url} doesn't answer ({type(error).__name__}). Check that `cairn serve` is running and that"
                f" CAIRN_URL is right."
            ) from error
        finally:
            exchange.close()


class _Exchange:
    """A request on a connection of its own, which may be closed by another thread than the one that waits for the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket: socket.socket | None = None
        self._reply: HTTPResponse | None = None

    def send(self, method: str, target: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str]) -> HTTPResponse:
        """Send the request and return the answer's head. Raises OSError or HTTPException."""
        try:
            parts = urlsplit(self._url)
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
        except ValueError as error:
            raise HTTPException(str(error)) from error
        connection.connect()
        self._socket = connection.sock
        self._socket.settimeout(SILENCE_SECONDS)
        streamed = body is not None and not isinstance(body, bytes)
        more = {"connection": "close"} | ({"transfer-encoding": "chunked"} if streamed else {})
        with suppress(BrokenPipeError, ConnectionResetError):  # a server that refuses reads no further, and says why
            connection.request(method, parts.path.rstrip("/") + target, body, {**headers, **more}, encode_chunked=streamed)
        self._reply = connection.getresponse()
        return self._reply

    def close(self) -> None:
        """Close the connection, also under a thread that reads from it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._reply is not None:
            self._reply.close()


@asynccontextmanager
async def connect(url: str, key: str | None, *, team: str | None = None) -> AsyncIterator[ServerClient]:
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("The key can't be sent: it contains a line break or a character outside printable ASCII. Check CAIRN_KEY.")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if team is not None:
        headers["x-cairn-team"] = team
    yield ServerClient(url.rstrip("/"), headers)


def refused(body: bytes, *, status: int, asked: str) -> ServerRefused:
    """Read an error of the server. One that isn't in Cairn's format is of a proxy, or of another server; `asked`: method and URL."""
    try:
        return error_of(json.loads(body), status=status)
    except (ValueError, KeyError, TypeError):
        named = f"{asked} was answered with status {status} ({_phrase(status)}), not in Cairn's format"
        advice = "a proxy answered that couldn't reach Cairn: check that `cairn serve` is running behind it, and try again"
        said = f"{named}: {advice}." if status in PROXY_STATUSES else f"{named}. Check that CAIRN_URL is the address of a Cairn server."
        return ServerRefused(said, status=status, code="unknown")


def error_of(answer: Json, *, status: int) -> ServerRefused:
    """Read an error in Cairn's format. Raises KeyError or TypeError for anything else."""
    error = answer["error"]
    message, code = str(error["message"]), str(error["code"])
    return ServerRefused(message, status=status, code=code, param=error.get("param"), request_id=error.get("request_id"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "not a standard one"


def _given(params: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}


def _json(body: Mapping[str, object] | None) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _from_thread(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Let a thread iterate over what the running loop yields."""
    loop = asyncio.get_running_loop()

    async def following() -> bytes | None:
        return await anext(chunks, None)

    def iterate() -> Iterator[bytes]:
        while (chunk := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
            yield chunk

    return iterate()
