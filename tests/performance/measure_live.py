"""Live events over HTTP: in batches of 100, one by one from 50 clients; each acknowledged once its transaction is committed.

python tests/performance/measure_live.py [--seconds=15]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil

from tests.performance.callers import Connection, Reply, connected
from tests.performance.corpus import varied_lessons
from tests.performance.measure import Figure, cpu_seconds, latencies, machine, percentile, show
from tests.running import Running, running

BATCH, BATCHERS, ONES = 100, 8, 50
SECONDS = 15.0
WARM_UP_SECONDS = 2.0
ROLES = ("user", "assistant", "tool", "assistant")
NDJSON = {"content-type": "application/x-ndjson"}


class Said:
    """Events as an agent's session has them: a prompt, two replies, a tool call with its output; 380 bytes on average, no id twice."""

    def __init__(self) -> None:
        self._bodies = [body for _, body in varied_lessons(400)]
        self._numbers = itertools.count()

    def lines(self, count: int) -> bytes:
        return b"".join(self._line(next(self._numbers)) for _ in range(count))

    def _line(self, number: int) -> bytes:
        body, role = self._bodies[number % len(self._bodies)], ROLES[number % len(ROLES)]
        event: dict[str, object] = {"id": f"e-{number}", "role": role, "timestamp": "2026-11-21T12:00:00Z"}
        if role == "tool":
            event["tool"] = {"name": "bash", "input": "pytest tests/payments -q", "output": f"{body}\n{body}", "exit_code": 1}
        else:
            event["text"] = body
        return json.dumps(event).encode() + b"\n"


async def live(seconds: float, scratch: Path) -> list[Figure]:
    with running(scratch / "live") as server:
        batches = await _appended(server, seconds, BATCHERS, BATCH)
        ones = await _appended(server, seconds, ONES, 1)
        alive = batches[2] + ones[2]
    return [
        Figure("live", f"events in batches of {BATCH}, {BATCHERS} clients", "/s", batches[0], 10_000, at_least=True),
        *latencies("live", f"a batch of {BATCH}", batches[1]),
        Figure("live", f"events one by one, {ONES} clients", "/s", ones[0], 2_000, at_least=True),
        *latencies("live", "one event", ones[1]),
        Figure("live", "server's CPU, of a batch's event", "µs", batches[3]),
        Figure("live", "server's CPU, of an event alone", "µs", ones[3]),
        Figure("live", "the loop's lag at most (GET /healthz), p99", "ms", percentile(alive, 0.99), 20),
    ]


async def _appended(server: Running, seconds: float, clients: int, each: int) -> tuple[float, list[float], list[float], float]:
    """(events a second, milliseconds of each request, of each /healthz meanwhile, µs of the server's CPU an event)."""
    said, process = Said(), psutil.Process(server.process.pid)
    headers = {"authorization": f"Bearer {server.key}", **NDJSON}

    async def append(name: int, connection: Connection) -> Reply:
        reply = await connection.post(f"/v1/sessions/of-{each}-{name}/events", said.lines(each))
        if reply.status != 202 or json.loads(reply.body)["accepted"] != each:
            raise RuntimeError(f"{reply.status} {reply.body[:300]!r}")
        return reply

    async with connected(server.url, clients, headers) as connections, connected(server.url, 1) as probes:
        await _for(WARM_UP_SECONDS, [partial(append, n, c) for n, c in enumerate(connections)])
        spent, began = cpu_seconds(process), time.perf_counter()
        probing = asyncio.create_task(_for(seconds, [lambda: probes[0].get("/healthz")], pause=0.02))
        replies = await _for(seconds, [partial(append, n, c) for n, c in enumerate(connections)])
        took, spent = time.perf_counter() - began, cpu_seconds(process) - spent
        alive = await probing
    count = len(replies) * each
    return count / took, [r.seconds * 1000 for r in replies], [r.seconds * 1000 for r in alive], spent / count * 1e6


async def _for(seconds: float, calls: list[Callable[[], Awaitable[Reply]]], *, pause: float = 0.0) -> list[Reply]:
    """Each call again as soon as it was answered, for so long."""
    until, replies = time.perf_counter() + seconds, list[Reply]()

    async def one(call: Callable[[], Awaitable[Reply]]) -> None:
        while time.perf_counter() < until:
            replies.append(await call())
            if pause:
                await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as tasks:
        for each in calls:
            tasks.create_task(one(each))
    return replies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-live-", dir="/tmp") as scratch:
        figures = asyncio.run(live(options.seconds, Path(scratch)))
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
