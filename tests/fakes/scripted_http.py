"""A server that gives each request the next reply of a script, the last one again and again: whole ones, streams, cuts. Real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.quiet_http import QuietHandler, listening


@dataclass(frozen=True, slots=True)
class Scripted:
    """A reply. `body`: JSON, or a text sent as it is. `cut`: the connection ends in the middle. `silent`: nothing comes at all."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class ScriptedServer:
    """`url`: where it listens. `asked`: the requests that came, in their order."""

    url: str
    asked: list[Request] = field(default_factory=list)


def refusal(status: int, code: str = "invalid_input", kind: str = "invalid_request_error", **headers: str) -> Scripted:
    """Return an error as Cairn tells it."""
    error = {"message": f"It said {status}.", "type": kind, "code": code, "param": None, "request_id": "req-1"}
    return Scripted(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def scripted_server(*script: Scripted) -> Iterator[ScriptedServer]:
    """Serve until the context's end."""
    replies, asked, over = list[Scripted](script), list[Request](), threading.Event()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            chunked = self.headers.get("transfer-encoding") == "chunked"
            body = b"".join(self._chunks()) if chunked else self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if reply.silent:
                over.wait(60)
                self.close_connection = True
                return
            self._send(reply)

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, reply: Scripted) -> None:
            content = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
            kind = "text/event-stream" if reply.stream else "text/html" if isinstance(reply.body, str) else "application/json"
            self.send_response(reply.status)
            for name, value in {"content-type": kind, "content-length": str(len(content) + reply.cut), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = reply.cut

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    try:
        with listening(Handler) as url:
            yield ScriptedServer(url, asked)
            over.set()
    finally:
        over.set()


def frames(*events: tuple[str, str, Any]) -> str:
    """Write server-sent events: (name, id, data)."""
    return "".join(f"event: {name}\nid: {place}\ndata: {json.dumps(data)}\n\n" for name, place, data in events)


def data_frames(events: Sequence[Any]) -> str:
    """Write server-sent events without names, as answers are streamed."""
    return "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events)
