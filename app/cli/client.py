"""An HTTP client of a Cairn server: JSON in and out; the server's errors become `ServerRefused`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp

from app.cli.exits import ServerRefused, Unreachable
from app.errors import ConfigurationError

Json = dict[str, Any]
CONNECT_SECONDS, SILENCE_SECONDS = 5, 120
PROXY_STATUSES = frozenset({502, 503, 504})


class ServerClient:
    """An HTTP client bound to one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def get(self, path: str, **params: str | int | None) -> Json:
        return await self._ask("GET", path, params=_given(params))

    async def post(self, path: str, body: Mapping[str, object] | None = None, *, headers: Mapping[str, str] | None = None) -> Json:
        return await self._ask("POST", path, json=body, headers=headers)

    async def patch(self, path: str, body: Mapping[str, object]) -> Json:
        return await self._ask("PATCH", path, json=body)

    async def put(self, path: str, body: Mapping[str, object]) -> Json:
        return await self._ask("PUT", path, json=body)

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
        return str((await self._ask("POST", "/v1/sessions", data=chunks, headers=headers, params=params))["job_id"])

    async def lines(self, path: str) -> AsyncIterator[Json]:
        """Send a POST and yield the JSON objects of its answer, one per line."""
        async with self._answer("POST", path) as reply:
            async for line in reply.content:
                if line.strip():
                    yield json.loads(line)

    async def _ask(self, method: str, path: str, **options: Any) -> Json:
        async with self._answer(method, path, **options) as reply:
            body = await reply.read()
        loaded: Json = json.loads(body) if body else {}
        return loaded

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self.url + path, **options) as reply:
                if reply.status >= 400:
                    raise refused(await reply.read(), status=reply.status, asked=f"{method} {self.url}{path}")
                yield reply
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(
                f"The server at {self.url} doesn't answer ({type(error).__name__}). Check that `cairn serve` is running and that"
                f" CAIRN_URL is right."
            ) from error


@asynccontextmanager
async def connect(url: str, key: str | None, *, team: str | None = None) -> AsyncIterator[ServerClient]:
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("The key can't be sent: it contains a line break or a character outside printable ASCII. Check CAIRN_KEY.")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if team is not None:
        headers["x-cairn-team"] = team
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield ServerClient(session, url.rstrip("/"))


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
    """Read an error in Cairn's format. KeyError or TypeError for anything else."""
    error = answer["error"]
    return ServerRefused(str(error["message"]), status=status, code=str(error["code"]), request_id=error.get("request_id"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "not a standard one"


def _given(params: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}
