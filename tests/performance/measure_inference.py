"""The door to models, measured: a real `cairn serve` between these callers and fake providers, each in a process of its own.

Keys, breakers, holds and settlements are on, in an embedded PostgreSQL; the cache of answers is not asked. What was paid is compared
with what was answered.
"""

from __future__ import annotations

import asyncio
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
from tests.performance.measure import Figure, cpu_seconds, latencies, percentile
from tests.performance.routes import ALL, CHAT, MeasuredRoute
from tests.running import Running

AT_ONCE, STREAMS = 64, 500
TOKENS, PACE_MS = 100, 5
"""Of the streams that are asked one after the other."""
SLOW_TOKENS, SLOW_PACE_MS = 30, 100
"""Of those that are open at once: 500 of them make 5,000 chunks a second."""
WARM_UP = 100
MAX_SECONDS = 300.0
"""A machine that others use too may take long; a call that hangs must end all the same."""
MAX_GROWTH_MB = 5
"""What the allocator may keep of so many calls' temporary objects: a leak of 300 bytes a call would be 6 MB over 20,000."""
CALLS = 20_000
ROUNDS = 5
"""In which the routes take turns, so that a busy moment of the machine meets all of them."""
DONE = b"data: [DONE]\n\n"


async def inference(iterations: int, scratch: Path, *, calls: int = CALLS) -> list[Figure]:
    """All of it in a fresh process: no other component's memory, and uvloop's timers. `calls`: over which memory must not grow."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _measured, iterations, calls, scratch)


def _measured(iterations: int, calls: int, scratch: Path) -> list[Figure]:
    return uvloop.run(_figures(iterations, calls, scratch))


async def _figures(iterations: int, calls: int, scratch: Path) -> list[Figure]:
    async with _opened(scratch) as door:
        at_rest = door.memory_mb()
        figures = [
            *await door.one_at_a_time(2 * iterations),
            *await door.chunks(max(1, iterations // 50)),
            *await door.many_at_once(30 * iterations),
            *await door.routes(10 * iterations),
            *await door.many_streams(),
        ]
        beyond = door.most_memory_mb - at_rest
        figures += [*await door.growth(calls), *door.money()]
        return [
            *figures,
            Figure("inference", "memory of the server's process at rest, embedding model loaded", "MB", at_rest, 400),
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
        body, ours, theirs = CHAT.body("auto"), [], []
        async with self._callers(1) as [through], connected(self.quick, 1) as [direct], asyncio.timeout(MAX_SECONDS):
            for _ in range(WARM_UP + count):
                theirs.append(await direct.post(CHAT.path, body))
                ours.append(await self._ask(through, CHAT, body))
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
        """From when the provider's chunk went to Cairn until the caller had it, on each route."""
        _say("a stream's chunks")
        figures = []
        async with self._callers(1) as [through], asyncio.timeout(len(ALL) * MAX_SECONDS):
            for route in ALL:
                delays, through.chunk = list[float](), route.chunk
                for _ in range(streams):
                    self.tap.chunks.clear()
                    reply = await self._ask(through, route, route.body("paced-1", TOKENS))
                    if len(reply.chunks) < TOKENS:
                        raise RuntimeError(f"{route.path}: {len(reply.chunks)} chunks of {TOKENS} came")
                    # The provider's first one has no text: only Chat Completions passes it on as a chunk.
                    went = self.tap.chunks[-len(reply.chunks) :]
                    delays += [(came - gone) * 1000 for gone, came in zip(went, reply.chunks, strict=True)]
                name = f"a chunk's added delay, {route.path}"
                figures.append(Figure("inference", f"{name} p50", "ms", percentile(delays, 0.5), 0.5))
                figures += latencies("inference", name, delays, p95_target=1)[1:]
        return figures

    async def many_at_once(self, count: int) -> list[Figure]:
        _say(f"{AT_ONCE} at once")
        body = CHAT.body("auto")

        async def ask(connection: Connection) -> Reply:
            return await self._ask(connection, CHAT, body)

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

    async def routes(self, count: int) -> list[Figure]:
        """Each route's share of the server's CPU, in turns: what the caller's format costs, whatever else the machine does."""
        _say(f"each route, {AT_ONCE} at once")
        process, spent, each_round = psutil.Process(self.server.process.pid), dict.fromkeys(ALL, 0.0), max(AT_ONCE, count // ROUNDS)
        async with self._callers(AT_ONCE) as callers, asyncio.timeout(ROUNDS * MAX_SECONDS):
            for turn in range(1 + ROUNDS):
                for route in ALL:
                    before = cpu_seconds(process)
                    await self._many(callers, route, each_round)
                    spent[route] += (cpu_seconds(process) - before) if turn else 0.0
        own = {route: spent[route] / (ROUNDS * each_round) * 1000 for route in ALL}
        return [
            *(Figure("inference", f"the server's CPU a call, {route.path}", "ms", own[route], 0.4) for route in ALL),
            *(Figure("inference", f"{route.path} beside {CHAT.path}", "times its CPU", own[route] / own[CHAT], 1.15) for route in ALL[1:]),
        ]

    async def growth(self, calls: int) -> list[Figure]:
        """Memory that many more calls leave behind, all routes in turn, after as many again by a tenth to warm up."""
        _say(f"memory over {calls:,} calls")
        part = max(AT_ONCE, calls // (ROUNDS * len(ALL)))
        async with self._callers(AT_ONCE) as callers:
            for route in ALL:
                await self._many(callers, route, max(AT_ONCE, calls // 10))
            before = self.memory_mb()
            for _ in range(ROUNDS):
                for route in ALL:
                    await self._many(callers, route, part)
        return [
            Figure(
                "inference", f"memory grown over {ROUNDS * len(ALL) * part:,} more calls", "MB", self.memory_mb() - before, MAX_GROWTH_MB
            )
        ]

    async def _many(self, callers: list[Connection], route: MeasuredRoute, count: int) -> None:
        body = route.body("auto")

        async def ask(connection: Connection) -> Reply:
            return await self._ask(connection, route, body)

        await closed_loop(callers, count, ask)

    async def many_streams(self) -> list[Figure]:
        name = f"{STREAMS} streams"
        _say(f"{name} at once")
        body = CHAT.body("slow-1", SLOW_TOKENS)
        async with self._callers(STREAMS) as callers, asyncio.timeout(MAX_SECONDS), self._watched():
            began = perf_counter()
            replies = await asyncio.gather(*(self._ask(caller, CHAT, body) for caller in callers))
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

    async def _ask(self, caller: Connection, route: MeasuredRoute, body: bytes) -> Reply:
        """Call a route. RuntimeError unless it is an answer; its cost is kept in mind."""
        reply = await caller.post(route.path, body)
        if reply.status != 200:
            raise RuntimeError(f"{reply.status}: {reply.body.decode(errors='replace')[:500]}")
        self.nanousd += route.cost(reply)
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


def _most_open(streams: Sequence[Reply]) -> int:
    """At one moment: begun, and not at its end."""
    moments = sorted([(each.chunks[0], 1) for each in streams] + [(each.chunks[-1], -1) for each in streams])
    return max(accumulate(change for _, change in moments), default=0)


def _say(what: str) -> None:
    print(f"inference: {what}", file=sys.stderr, flush=True)
