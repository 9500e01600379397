"""Sends one request to the server and waits for its answer no longer than it may take. Standard library only.

The request runs on a thread that is left behind when its time is up: looking up a name can't be interrupted. It is HTTP/1.0, whose answer
ends with the connection: importing http.client, with what that imports, takes longer than the request.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import BinaryIO
from urllib.parse import urlsplit

METHOD = "POST"
MAX_ANSWER_BYTES = 2**18
MAX_LINE_BYTES = 2**16


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
        except (OSError, ValueError) as error:
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
        with closing(sock):
            sock.sendall(request_bytes(parts.path, {"host": parts.netloc.rpartition("@")[2], **self._headers}, self._body))
            return read_answer(sock.makefile("rb"))


def request_bytes(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Write a POST. Raises ValueError for a header that would end before its end."""
    lines = [f"{METHOD} {path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items()), f"content-length: {len(body)}"]
    if any(not line.isascii() or not line.isprintable() for line in lines):
        raise ValueError("the server's address or a header holds a character that can't be sent")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def read_answer(stream: BinaryIO) -> tuple[int, bytes]:
    """Read an answer: (status, body). Raises ValueError for what is no HTTP."""
    version, _, rest = stream.readline(MAX_LINE_BYTES).partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ValueError("the answer is no HTTP")
    length, chunked = MAX_ANSWER_BYTES, False
    for line in iter(lambda: stream.readline(MAX_LINE_BYTES), b""):
        name, _, value = line.strip().partition(b":")
        if not name:
            break
        if name.lower() == b"content-length" and value.strip().isdigit():
            length = min(int(value), MAX_ANSWER_BYTES)
        chunked = chunked or (name.lower(), value.strip().lower()) == (b"transfer-encoding", b"chunked")
    body = b"".join(_chunks(stream)) if chunked else stream.read(length)
    return int(rest[:3]), body


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Read the chunks of a proxy that sends them to a client of HTTP/1.0, too."""
    left = MAX_ANSWER_BYTES
    while left > 0 and (size := int(stream.readline(MAX_LINE_BYTES).partition(b";")[0].strip() or b"0", 16)) > 0:
        yield stream.read(min(size, left))
        stream.readline(MAX_LINE_BYTES)
        left -= size
