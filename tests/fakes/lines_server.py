"""A server of growing transcripts that keeps what it is sent, by the rules of the real one: for the client's side alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.sessions.formats.growing import tail_of
from tests.fakes.quiet_http import QuietHandler, listening


@dataclass
class LinesServer:
    """`texts`: what was read of each file, by source. `away`: requests to refuse with 503. `status`: the answer to all, if set.

    `broken`: sources at which it fails with 500. `forgetful`: each request may meet another server, none of which reads on.
    """

    url: str
    texts: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    readers: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    received: int = 0
    away: int = 0
    status: int | None = None
    broken: set[str] = field(default_factory=set)
    forgetful: bool = False

    def restart(self) -> None:
        """Forget the readers, as a new process has none."""
        self.readers.clear()

    def take(self, query: dict[str, str], data: bytes) -> dict[str, int | None]:
        source, offset = query["source"], int(query["offset"])
        self.asked.append(query)
        self.received += len(data)
        if offset == 0:
            self.readers[source] = b""
        elif self.forgetful:
            self.readers.pop(source, None)
        if source not in self.readers:
            return {"offset": 0, "events": 0, "resumed": None}
        read = self.readers[source]
        if len(read) != offset:
            return {"offset": len(read), "events": 0}
        ended = query["end"] == "true"
        self.texts[source] = self.readers[source] = read + data
        self.rows[source] = {"source": source, "offset": len(read + data), "tail": tail_of(read + data), "ended": ended}
        if ended:
            del self.readers[source]
        return {"offset": len(read + data), "events": 1}


@contextmanager
def lines_server() -> Iterator[LinesServer]:
    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(lambda query, _: {"files": list(made.rows.values()), "next_cursor": None})

        def do_POST(self) -> None:
            self._answer(made.take)

        def _answer(self, work: Any) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}
            with lock:
                status = 500 if query.get("source") in made.broken else made.status or 202
                if made.away > 0:
                    made.away, status = made.away - 1, 503
                found = work(query, data) if status == 202 else {"error": {"message": "No."}}
            self.reply(status, json.dumps(found).encode())

    lock = threading.Lock()
    made = LinesServer("")
    with listening(Handler) as made.url:
        yield made
