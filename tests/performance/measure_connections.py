"""Answers beside strangers who hold connections open: p95 of /healthz and of a keyed request, idle and beside half-sent request heads.

`python tests/performance/measure_connections.py [--heads 1100] [--open-files 1024] [--requests 400]`. One run, one server, whose limit of
open files is lower than the number of heads; no embedding model is needed. Exit 1 when a request failed.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.running import Running, running

HALF = b"GET /healthz HTTP/1.1\r\nhost: cairn\r\nx-never-ends: "


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=1100)
    parser.add_argument("--open-files", type=int, default=1024)
    parser.add_argument("--requests", type=int, default=400)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, given.heads + 1024), hard))
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="cairn-", dir="/tmp") as folder,
        running(Path(folder) / "data", open_files=given.open_files) as server,
    ):
        failed += shown("idle", server, given.requests)
        held = [half_head(server) for _ in range(given.heads)]
        try:
            failed += shown(f"beside {given.heads} half-sent heads", server, given.requests)
        finally:
            for each in held:
                each.close()
        cuts = [line for line in server.text("/metrics").splitlines() if line.startswith("cairn_connections")]
        print(*cuts, sep="\n")
    return 1 if failed else 0


def half_head(server: Running) -> socket.socket:
    place = urlsplit(server.url)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=10)
    connection.sendall(HALF)
    return connection


def shown(state: str, server: Running, requests: int) -> int:
    """Measure and print, each request on a connection of its own. Returns how many failed."""
    failed = 0
    for name, path, headers in (("/healthz", "/healthz", {}), ("keyed", "/v1/models", {"authorization": f"Bearer {server.key}"})):
        took, wrong = timed(partial(asked, server, path, headers), requests)
        failed += wrong
        p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else float("nan")
        print(f"{state:32} {name:9} p50 {statistics.median(took) * 1e3:6.2f} ms  p95 {p95 * 1e3:6.2f} ms  failed {wrong} of {requests}")
    return failed


def timed(ask: Callable[[], int], times: int) -> tuple[list[float], int]:
    took, wrong = [], 0
    for _ in range(times):
        began = time.perf_counter()
        try:
            wrong += ask() != 200
        except OSError:
            wrong += 1
        took.append(time.perf_counter() - began)
    return took, wrong


def asked(server: Running, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
