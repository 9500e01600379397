"""Sends pieces of transcripts to the server over one connection. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.cli.exits import ServerRefused, Unreachable
from app.cli.server_address import ServerAddress
from app.cli.watch.capture import CaptureVerdict
from app.cli.watch.files import FollowedFile, Piece

PATH = "/v1/sessions/transcript-lines"
SECONDS = 60.0
AGAIN = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a server that is away or busy, whatever it is sent."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """The part of a file that the server has."""

    offset: int
    tail: str
    ended: bool


class LinesClient:
    """A connection to the server, opened again where it broke."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        parts = urlsplit(address.url)
        self._prefix = parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)

    def close(self) -> None:
        self._connection.close()

    def known(self) -> Iterator[tuple[str, KnownFile]]:
        """Yield what the server has of this key's files, by source. Raises Unreachable or ServerRefused."""
        wanted: dict[str, str] | None = {}
        while wanted is not None:
            page = self._ask("GET", wanted)
            for each in page["files"]:
                yield each["source"], KnownFile(each["offset"], each["tail"], each["ended"])
            wanted = None if page["next_cursor"] is None else {"cursor": page["next_cursor"]}

    def send(self, file: FollowedFile, piece: Piece, *, name: str, verdict: CaptureVerdict) -> tuple[int, int]:
        """Send a piece; return from where to go on, and the number of new events. Raises Unreachable or ServerRefused."""
        given = {
            "source": file.source,
            "name": name,
            "format": file.format,
            "offset": str(piece.offset),
            "end": "true" if piece.end else "false",
            "modified_at": datetime.fromtimestamp(piece.modified_at, UTC).isoformat(),
            "project": verdict.project,
            "repository": verdict.repository,
            "directory": verdict.directory,
        }
        answer = self._ask("POST", {key: value for key, value in given.items() if value is not None}, piece.data)
        if isinstance(told := answer.get("resumed"), bool):
            file.told_resumed = told
        return int(answer["offset"]), int(answer["events"])

    def _ask(self, method: str, query: Mapping[str, str], body: bytes | None = None) -> Any:
        headers = {"accept": "application/json"}
        if self._address.key:
            headers["authorization"] = f"Bearer {self._address.key}"
        if body is not None:
            headers["content-type"] = "application/octet-stream"
        try:
            self._connection.request(method, f"{self._prefix}{PATH}?{urlencode(query)}", body, headers)
            reply = self._connection.getresponse()
            data = reply.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"The server at {self._address.url} doesn't answer ({type(error).__name__}).") from error
        if reply.status in AGAIN or (reply.status >= 500 and body is None):
            raise Unreachable(f"The server at {self._address.url} answers {reply.status} for now.")
        if reply.status >= 300:
            raise ServerRefused(_message(data) or f"The server answers {reply.status}.", status=reply.status, code="refused")
        try:
            return json.loads(data)
        except ValueError as error:
            raise Unreachable(f"The server at {self._address.url} is not Cairn: check the URL.") from error


def _message(data: bytes) -> str | None:
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(data)["error"]["message"])
    return None
