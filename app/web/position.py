"""Decides how fresh a request's reads must be: by its caller's earlier writes, and by the position that it sends back.

Pure ASGI, installed only with replicas. A response that used the primary is sent once its position is known to all (read your writes).
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
    """Sets each request's read position. By (method, path): GET, HEAD and `also_reading` may use replicas, all others only the primary;
    `exempt` are passed through.
    """

    def __init__(self, app: ASGIApp, *, also_reading: Container[tuple[str, str]], exempt: Container[tuple[str, str]]) -> None:
        self._app = app
        self._also_reading = also_reading
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._exempt:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER)
        min_position = 0 if given is None else position_in(given)
        if min_position is None:
            refusal = InvalidInput(
                f"{HEADER} is not a valid position: send the value that an earlier response had in this header, or leave it out.",
                param=HEADER,
            )
            await errors.reply_to(refusal)(scope, receive, send)
            return
        database = scope["app"].state.services.database
        assert isinstance(database, ReplicatedDatabase)
        reads = scope["method"] in READING or (scope["method"], scope["path"]) in self._also_reading
        reading = ReadSession(stale_reads_ok=reads, min_position=min_position)

        async def acknowledged(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400 and (reached := await database.acknowledge(reading)):
                MutableHeaders(scope=message)[HEADER] = format_lsn(reached)
            await send(message)

        with reading_within(reading):
            await self._app(scope, receive, acknowledged)
