"""Tells how fresh a request's reads must be: by its caller's earlier writes, and by the position that it sends back.

As pure ASGI, and only where there are replicas: an answer that met the primary leaves once its position is known to all servers.
"""

from __future__ import annotations

from collections.abc import Container

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InvalidInput
from app.storage.replicas.read_session import ReadSession, format_lsn, position_in, reading_within
from app.storage.replicas.replicated import ReplicatedDatabase
from app.web import errors

HEADER = "x-cairn-position"
READING = frozenset({"GET", "HEAD"})


class Position:
    """By (method, path): `also_reading` change nothing, as GET and HEAD; all others read at the primary alone. `apart`: not looked at."""

    def __init__(self, app: ASGIApp, *, also_reading: Container[tuple[str, str]], apart: Container[tuple[str, str]]) -> None:
        self._app = app
        self._also_reading = also_reading
        self._apart = apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._apart:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER)
        needed = 0 if given is None else position_in(given)
        if needed is None:
            refusal = InvalidInput(f"{HEADER} is no position: send back what an answer carried, or leave it out.", param=HEADER)
            await errors.reply_to(refusal)(scope, receive, send)
            return
        database = scope["app"].state.services.database
        assert isinstance(database, ReplicatedDatabase)
        reads = scope["method"] in READING or (scope["method"], scope["path"]) in self._also_reading
        reading = ReadSession(old_will_do=reads, needed=needed)

        async def acknowledged(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400 and (reached := await database.acknowledge(reading)):
                MutableHeaders(scope=message)[HEADER] = format_lsn(reached)
            await send(message)

        with reading_within(reading):
            await self._app(scope, receive, acknowledged)
