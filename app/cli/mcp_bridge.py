"""`cairn mcp`: takes an IDE's MCP messages from standard input, asks the server's /mcp, and writes its answers to standard output.

Starts nothing, and imports nothing but the standard library and what stands beside it. While no server answers, the IDE keeps its tools,
and a model that calls one is told why nothing came.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import IO, Any
from urllib.parse import urlsplit

from app.cli.ide.payload import header_value
from app.cli.machine import ClientSettings
from app.cli.mcp_messages import (
    INVALID_REQUEST,
    PARSE_ERROR,
    Message,
    answer_alone,
    error,
    is_request,
    project_headers,
    routing_headers,
)
from app.cli.place import WorkPlace
from app.cli.server_address import ServerAddress, find_server
from app.cli.workspace import read_workspace

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 60.0
END_SECONDS = 2.0
"""Seconds that answers under way have once the input has ended: an IDE that closes it kills what stays."""
AT_ONCE = 8
MAX_ANSWER_BYTES = 16 * 2**20
NO_SERVER = "No Cairn server is known on this machine. Start `cairn serve`, or set CAIRN_URL and CAIRN_KEY; until then, go on without it."


class NoAnswer(Exception):
    """The server was not asked, or gave no answer to a message; the text says why and what to do."""


class McpBridge:
    """Answers an IDE's messages, each by one request to the server.

    Place and server are looked at anew for each: a folder may become private, a server may be started later.
    """

    def __init__(self, read_place: Callable[[], tuple[WorkPlace, ClientSettings]], *, project: str | None = None) -> None:
        self._read_place = read_place
        self._project = project
        self._version: str | None = None

    def answer(self, line: bytes) -> Message | None:
        """Return the answer to a line; None where none is owed."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return error(None, PARSE_ERROR, "The line is not JSON: send one JSON-RPC message per line.")
        if not isinstance(message, dict):
            return error(None, INVALID_REQUEST, "Batches are not supported: send one JSON-RPC message per line, not several in a list.")
        if not is_request(message):
            return None
        try:
            answered = self._ask(message)
        except NoAnswer as why:
            answered = answer_alone(message, str(why))
        if message["method"] == "initialize" and isinstance(result := answered.get("result"), dict):
            self._version = result.get("protocolVersion")
        return answered

    def _ask(self, message: Message) -> Message:
        """Ask the server. Raises NoAnswer."""
        if os.environ.get("CAIRN_PRIVATE"):
            raise NoAnswer("Cairn was not asked: nothing of this session leaves this machine (CAIRN_PRIVATE is set). Go on without it.")
        place, settings = self._read_place()
        if place.private is not None:
            raise NoAnswer(f"Cairn was not asked: nothing leaves this private folder ({place.private}). Go on without it.")
        server = find_server(settings)
        if server is None:
            raise NoAnswer(NO_SERVER)
        named = {"x-cairn-project": place.project, "x-cairn-repository": place.repository}
        told = {name: header_value(value) for name, value in project_headers(self._project, named).items()}
        headers = {**told, **routing_headers(message, self._version)}
        try:
            status, body = _post(server, json.dumps(message).encode(), headers)
        except (OSError, HTTPException, ValueError) as away:
            raise NoAnswer(
                f"The Cairn server at {server.url} doesn't answer ({type(away).__name__}). Go on without it: the next call tries again."
            ) from away
        answered = _object(body)
        if "jsonrpc" in answered and ("result" in answered or "error" in answered):
            return answered
        said = answered.get("error")
        words = said.get("message") if isinstance(said, dict) else f"it answered with status {status}, not as Cairn does: check CAIRN_URL."
        raise NoAnswer(f"The Cairn server at {server.url} refused: {words}")


def main(arguments: Sequence[str]) -> None:
    """Answer messages until standard input ends."""
    bridge = McpBridge(read_workspace, project=_project(arguments))
    if not serve(bridge, sys.stdin.buffer, sys.stdout.buffer):
        os._exit(0)  # the IDE has gone: nobody waits for what is still under way


def serve(bridge: McpBridge, asked: IO[bytes], told: IO[bytes], *, end_seconds: float = END_SECONDS) -> bool:
    """Answer each line, several at once; a handshake before anything that follows it. Returns whether all were answered at the end."""
    lock = threading.Lock()
    pending: set[Future[None]] = set()

    def answer(line: bytes) -> None:
        if (answered := bridge.answer(line)) is not None:
            with lock, suppress(OSError, ValueError):  # an IDE that has gone reads no more
                told.write(json.dumps(answered).encode() + b"\n")
                told.flush()

    pool = ThreadPoolExecutor(AT_ONCE)
    for line in asked:
        if b'"initialize"' in line:
            answer(line)
        elif line.strip():
            pending.add(submitted := pool.submit(answer, line))
            submitted.add_done_callback(pending.discard)
    _, left = wait(set(pending), timeout=end_seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    return not left


def _post(server: ServerAddress, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(server.url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)) as connection:
        connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(ANSWER_SECONDS)
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        if server.key is not None and server.key.isascii() and server.key.isprintable():
            sent["authorization"] = f"Bearer {server.key}"
        connection.request("POST", f"{parts.path.rstrip('/')}/mcp", body, sent)
        reply = connection.getresponse()
        return reply.status, reply.read(MAX_ANSWER_BYTES)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _project(arguments: Sequence[str]) -> str | None:
    """Read `--project NAME`; what else is given is passed over, so that an IDE's old configuration goes on working."""
    rest = iter(arguments)
    for each in rest:
        if each in {"--project", "-p"}:
            return next(rest, None)
        if each.startswith("--project="):
            return each.removeprefix("--project=")
    return None
