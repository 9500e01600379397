"""The door to models, measured: a real `cairn serve` between these callers and fake providers, each in a process of its own.

Keys, breakers, holds and settlements are on, in an embedded PostgreSQL; the cache of answers is not asked. What was paid is compared
with what was answered.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from time import perf_counter

import psutil
import uvloop

from app.money import from_usd
from tests.performance.callers import Connection, Reply, Tap, closed_loop, connected
from tests.performance.door import DEVELOPER, fake, served
from tests.performance.measure import Figure, latencies, percentile
from tests.running import Running

AT_ONCE, STREAMS = 64, 500
TOKENS, PACE_MS = 100, 5
"""Of the streams that are asked one after the other."""
SLOW_TOKENS, SLOW_PACE_MS = 30, 100
"""Of those that are open at once: 500 of them make 5,000 chunks a second."""
WARM_UP = 100
MAX_SECONDS = 60.0
CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


async def inference(iterations: int, scratch: Path) -> list[Figure]:
    """All of it in a fresh process: no other component's memory, and uvloop's timers."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _measured, iterations, scratch)


def _measured(iterations: int, scratch: Path) -> list[Figure]:
    return uvloop.run(_figures(iterations, scratch))


async def _figures(iterations: int, scratch: Path) -> list[Figure]:
    async with _opened(scratch) as door:
        at_rest = door.memory_mb()
        figures = [
            *await door.one_at_a_time(2 * iterations),
            *await door.chunks(max(1, iterations // 50)),
            *await door.many_at_once(30 * iterations),
            *await door.many_streams(),
            *door.money(),
        ]
        beyond = door.most_memory_mb - at_rest
        return [
            *figures,
            Figure("inference", "memory of the server's process at rest, embedding model loaded", "MB", at_rest),
            Figure("inference", "memory beyond that, at most", "MB", beyond, 300),
        ]


@dataclass(slots=True)
class Door:
    """A running server, the fakes behind it, and what all calls so far should have cost."""

    server: Running
    quick: str
    tap: Tap
    key: str
    nanousd: int = 0
    most_memory_mb: float = 0.0

    def memory_mb(self) -> float:
        """Of the server's process alone: its worker, PostgreSQL and the vector engine are others."""
        found = float(psutil.Process(self.server.process.pid).memory_info().rss / 1e6)
        self.most_memory_mb = max(self.most_memory_mb, found)
        return found

    async def one_at_a_time(self, count: int) -> list[Figure]:
        """Each call through Cairn beside one that goes to the provider itself."""
        _say("one at a time")
        body, ours, theirs = _asking("auto"), [], []
        async with self._callers(1) as [through], connected(self.quick, 1) as [direct], asyncio.timeout(MAX_SECONDS):
            for _ in range(WARM_UP + count):
                theirs.append(await direct.post(CHAT, body))
                ours.append(self._paid(await through.post(CHAT, body)))
        ours, theirs = ours[WARM_UP:], theirs[WARM_UP:]
        added = [(mine.seconds - its.seconds) * 1000 for mine, its in zip(ours, theirs, strict=True)]
        told = [float(each.headers["x-cairn-overhead-ms"]) for each in ours]
        untold = [actual - said for actual, said in zip(added, told, strict=True)]
        return [
            Figure("inference", "direct call p50", "ms", percentile([each.seconds * 1000 for each in theirs], 0.5)),
            Figure("inference", "added to it p50", "ms", percentile(added, 0.5), 2),
            Figure("inference", "added to it p99", "ms", percentile(added, 0.99), 5),
            Figure("inference", "x-cairn-overhead-ms p50", "ms", percentile(told, 0.5)),
            Figure("inference", "added beyond x-cairn-overhead-ms p50", "ms", percentile(untold, 0.5), 0.5),
        ]

    async def chunks(self, streams: int) -> list[Figure]:
        """From when the provider's chunk went to Cairn until the caller had it."""
        _say("a stream's chunks")
        delays = []
        async with self._callers(1) as [through], asyncio.timeout(MAX_SECONDS):
            for _ in range(streams):
                self.tap.chunks.clear()
                reply = self._paid(await through.post(CHAT, _asking("paced-1", TOKENS)))
                delays += [(came - went) * 1000 for went, came in zip(self.tap.chunks, reply.chunks, strict=True)]
        return latencies("inference", "a chunk's added delay", delays, p95_target=1)

    async def many_at_once(self, count: int) -> list[Figure]:
        _say(f"{AT_ONCE} at once")
        body = _asking("auto")

        async def ask(connection: Connection) -> Reply:
            return self._paid(await connection.post(CHAT, body))

        async with self._callers(AT_ONCE) as callers, asyncio.timeout(MAX_SECONDS), self._watched():
            await closed_loop(callers, count // 5, ask)
            began = perf_counter()
            replies = await closed_loop(callers, count, ask)
            seconds = perf_counter() - began
        name = f"{AT_ONCE} at once"
        return [
            Figure("inference", name, "requests/s", len(replies) / seconds, 1500, at_least=True),
            *latencies("inference", name, [each.seconds * 1000 for each in replies]),
        ]

    async def many_streams(self) -> list[Figure]:
        name = f"{STREAMS} streams"
        _say(f"{name} at once")
        body = _asking("slow-1", SLOW_TOKENS)
        async with self._callers(STREAMS) as callers, asyncio.timeout(MAX_SECONDS), self._watched():
            began = perf_counter()
            replies = [self._paid(each) for each in await asyncio.gather(*(caller.post(CHAT, body) for caller in callers))]
        whole = [each for each in replies if each.body.endswith(DONE) and len(each.chunks) == SLOW_TOKENS + 1]
        firsts = [(each.chunks[0] - began) * 1000 for each in whole]
        gaps = [(after - before) * 1000 for each in whole for before, after in pairwise(each.chunks[1:])]
        return [
            Figure("inference", f"{name}, open at once and whole", "streams", _most_open(whole), STREAMS, at_least=True),
            Figure("inference", f"{name}, first token p95", "ms", percentile(firsts, 0.95)),
            Figure("inference", f"{name}, between tokens {SLOW_PACE_MS} ms apart p99", "ms", percentile(gaps, 0.99)),
        ]

    def money(self) -> list[Figure]:
        """What all answers said they cost, against the ledger's own sum; and the ledger against its rows."""
        budget = self.server.get(f"/v1/budgets/{DEVELOPER}")
        unequal = self.server.get("/v1/budget/verify")["differences"]
        assert isinstance(unequal, list)
        spent, held = (from_usd(float(str(budget[name]))) for name in ("spent_usd", "held_usd"))
        return [
            Figure("inference", "charged above or below what was answered", "nano-dollars", abs(spent - self.nanousd), 0),
            Figure("inference", "still held", "nano-dollars", held, 0),
            Figure("inference", "balances that differ from their rows", "balances", len(unequal), 0),
        ]

    def _paid(self, reply: Reply) -> Reply:
        """RuntimeError unless it is an answer; its cost is kept in mind."""
        if reply.status != 200:
            raise RuntimeError(f"{reply.status}: {reply.body.decode(errors='replace')[:500]}")
        self.nanousd += _cost(reply)
        return reply

    @asynccontextmanager
    async def _callers(self, count: int) -> AsyncIterator[list[Connection]]:
        headers = {"authorization": f"Bearer {self.key}", "cache-control": "no-store"}
        async with connected(self.server.url, count, headers) as made:
            yield made

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """The server's memory, ten times a second."""

        async def watch() -> None:
            while True:
                self.memory_mb()
                await asyncio.sleep(0.1)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def _opened(scratch: Path) -> AsyncIterator[Door]:
    """Fakes that answer at once and at two paces, and a server that knows them."""
    async with AsyncExitStack() as stack:
        tap = await stack.enter_async_context(Tap().opened())
        quick = stack.enter_context(fake(0))
        slow = stack.enter_context(fake(SLOW_PACE_MS))
        tap.provider = stack.enter_context(fake(PACE_MS))
        server, key = stack.enter_context(served(scratch / "inference", {"quick": quick, "paced": tap.url, "slow": slow}))
        yield Door(server, quick, tap, key)


def _asking(model: str, tokens: int = 0) -> bytes:
    """A question; with `tokens` for a stream of so many, and its usage."""
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": f"Please say {tokens or 12} words to me."}]}
    if tokens:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def _cost(reply: Reply) -> int:
    """Nano-dollars: of a whole answer in its header, of a stream in its last chunk; of a broken one nobody knows."""
    if reply.headers["content-type"] == "application/json":
        return from_usd(reply.headers["x-cairn-cost-usd"])
    if not reply.body.endswith(DONE):
        return 0
    last = reply.body.removesuffix(DONE).rpartition(b"data: ")[2]
    return from_usd(json.loads(last)["usage"]["cost_usd"])


def _most_open(streams: Sequence[Reply]) -> int:
    """At one moment: begun, and not at its end."""
    moments = sorted([(each.chunks[0], 1) for each in streams] + [(each.chunks[-1], -1) for each in streams])
    return max(accumulate(change for _, change in moments), default=0)


def _say(what: str) -> None:
    print(f"inference: {what}", file=sys.stderr, flush=True)
