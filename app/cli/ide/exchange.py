"""Sends one request to the server and waits for its answer no longer than it may take. Standard library only.

The request runs on a thread that is left behind when its time is up: looking up a name can't be interrupted.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 2**18


class HookExchange:
    """One POST. `status` is None until an answer came; `problem` says why none did, `waited` whether its time was up."""

    def __init__(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.status: int | None = None
        self.answer = b""
        self.problem = ""
        self.waited = False
        self._url, self._body, self._headers = url, body, headers
        self._connected, self._done = threading.Event(), threading.Event()
        self._seconds = 10.0

    def run(self, *, connect_seconds: float, answer_seconds: float) -> None:
        """Send the request; return when the answer has come, it can't come, or a time is up."""
        self._seconds = connect_seconds + answer_seconds
        threading.Thread(target=self._work, name="hook", daemon=True).start()
        if not self._connected.wait(connect_seconds):
            self.problem, self.waited = f"no connection within {connect_seconds * 1000:.0f} ms", True
        elif not self._done.wait(answer_seconds):
            self.problem, self.waited = f"no answer within {answer_seconds:.1f} s", True

    def _work(self) -> None:
        status, answer, problem = None, b"", ""
        try:
            status, answer = self._ask()
        except (OSError, HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        if not self.waited:
            self.status, self.answer, self.problem = status, answer, problem
        self._connected.set()
        self._done.set()

    def _ask(self) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        sock = socket.create_connection((host, port), timeout=self._seconds)
        self._connected.set()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            import ssl

            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        connection = (HTTPSConnection if secure else HTTPConnection)(host, port, timeout=self._seconds)
        connection.sock = sock
        connection.request("POST", parts.path, self._body, {**self._headers, "connection": "close"})
        reply = connection.getresponse()
        return reply.status, reply.read(MAX_ANSWER_BYTES)
