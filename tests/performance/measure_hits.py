"""Answers given again, over HTTP: a real `cairn serve`, whose prompts have all been answered before. Keys are checked; nothing is paid.

And a cache that is full of large answers, in memory: what the process really takes, against its bound.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter

import psutil
import uvloop

from app.cache.memory import MemoryCache
from app.money import from_usd
from app.settings import EvictionPolicy
from tests.performance.callers import Connection, Reply, closed_loop, connected
from tests.performance.door import DEVELOPER, fake, served
from tests.performance.measure import Figure, latencies, percentile

AT_ONCE, PROMPTS, WARM_UP = 64, 200, 100
MAX_SECONDS = 60.0
CHAT = "/v1/chat/completions"
FULL_MB, VALUE_BYTES, ENTRIES = 64, 20_000, 20_000


async def hits(iterations: int, scratch: Path) -> list[Figure]:
    """In fresh processes: no other component's memory, and uvloop's timers."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        loop = asyncio.get_running_loop()
        figures = await loop.run_in_executor(pool, _measured, iterations, scratch)
        for policy in ("lru", "w-tinylfu"):
            taken = await loop.run_in_executor(pool, _taken_mb, policy)
            name = f"memory of a full cache of {FULL_MB} MiB, answers of {VALUE_BYTES // 1000} kB, {policy}"
            figures.append(Figure("cache", name, "MB", taken, 1.1 * FULL_MB * 2**20 / 1e6))
        return figures


def _measured(iterations: int, scratch: Path) -> list[Figure]:
    return uvloop.run(_figures(iterations, scratch))


async def _figures(iterations: int, scratch: Path) -> list[Figure]:
    bodies = [
        json.dumps({"model": "auto", "messages": [{"role": "user", "content": f"say 300 words {n}"}]}).encode() for n in range(PROMPTS)
    ]
    with fake(0) as quick, served(scratch / "cache", {"quick": quick}) as (server, key):
        headers = {"authorization": f"Bearer {key}"}
        async with connected(server.url, AT_ONCE, headers) as callers, asyncio.timeout(MAX_SECONDS):
            paid = [await callers[0].post(CHAT, body) for body in bodies]
            spent = sum(from_usd(each.headers["x-cairn-cost-usd"]) for each in paid)
            alone = [_hit(await callers[0].post(CHAT, bodies[n % PROMPTS])) for n in range(WARM_UP + 2 * iterations)][WARM_UP:]
            places = iter(range(10**9))

            async def ask(connection: Connection) -> Reply:
                return _hit(await connection.post(CHAT, bodies[next(places) % PROMPTS]))

            count = 30 * iterations
            await closed_loop(callers, count // 5, ask)
            began = perf_counter()
            replies = await closed_loop(callers, count, ask)
            seconds = perf_counter() - began
        charged = from_usd(float(str(server.get(f"/v1/budgets/{DEVELOPER}")["spent_usd"])))
    milliseconds = [each.seconds * 1000 for each in alone]
    return [
        Figure("cache", "a hit over HTTP p50", "ms", percentile(milliseconds, 0.5), 1.5),
        *latencies("cache", "a hit over HTTP", milliseconds)[1:],
        Figure("cache", f"hits, {AT_ONCE} at once", "requests/s", count / seconds, 2500, at_least=True),
        *latencies("cache", f"hits, {AT_ONCE} at once", [each.seconds * 1000 for each in replies]),
        Figure("cache", "charged for hits", "nano-dollars", abs(charged - spent), 0),
    ]


def _hit(reply: Reply) -> Reply:
    """RuntimeError unless it came from the memory, for nothing."""
    told = reply.headers.get("x-cairn-cache"), from_usd(reply.headers.get("x-cairn-cost-usd", "1"))
    if reply.status != 200 or told != ("memory", 0):
        raise RuntimeError(f"{reply.status} {told}: {reply.body.decode(errors='replace')[:500]}")
    return reply


def _taken_mb(policy: EvictionPolicy) -> float:
    """What a process grows by while three times as much as it may hold passes through a cache."""
    process, most = psutil.Process(), FULL_MB * 2**20
    memory = MemoryCache(policy, entries=ENTRIES, max_bytes=most)
    gc.collect()
    before = process.memory_info().rss
    for number in range(3 * most // VALUE_BYTES):
        memory.set(number.to_bytes(8, "big"), os.urandom(VALUE_BYTES), 3600)
    return float(process.memory_info().rss - before) / 1e6
