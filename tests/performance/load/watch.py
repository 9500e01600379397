"""The server while it is under load, once a second: its memory and processor where it runs here, its pool of connections as it tells it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import aiohttp
import psutil

from tests.performance.measure import resident_mb

POOL = re.compile(r'^cairn_database_pool\{kind="(\w+)"\} ([\d.e+]+)$', re.MULTILINE)
PERIOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """`cores` that were busy: of the server's own process, of all its processes, and of us who make the load. None: it runs elsewhere."""

    at: float
    memory_mb: float | None
    server_cores: float | None
    cores: float | None
    our_cores: float
    in_use: int | None
    pool: int | None


class Watch:
    def __init__(self, url: str, key: str, processes: Sequence[psutil.Process], session: aiohttp.ClientSession) -> None:
        """`processes`: the server's own first, then its children; none where it runs elsewhere."""
        self.looks: list[Look] = []
        self._url, self._key = url, key
        self._processes = processes
        self._session = session
        self._spent: tuple[float, float, float, float] | None = None

    async def run(self, began: float) -> None:
        while True:
            self.looks.append(await self._look(began))
            await asyncio.sleep(PERIOD_SECONDS)

    async def _look(self, began: float) -> Look:
        now, own, family, ours = perf_counter(), _cpu(self._processes[:1]), _cpu(self._processes), _cpu([psutil.Process()])
        before, self._spent = self._spent, (now, own, family, ours)
        seconds = now - before[0] if before else 0.0
        busy = (
            [(after - earlier) / seconds for earlier, after in zip(before[1:], (own, family, ours), strict=True)] if before else [0.0] * 3
        )
        pool = await self._pool()
        here = bool(self._processes)
        return Look(
            at=now - began,
            memory_mb=await asyncio.to_thread(resident_mb, self._processes) if here else None,
            server_cores=busy[0] if here else None,
            cores=busy[1] if here else None,
            our_cores=busy[2],
            in_use=pool.get("checked_out"),
            pool=pool.get("most"),
        )

    async def _pool(self) -> dict[str, int]:
        """As `/metrics` tells it to an admin's or a scrape key; nothing to others, nor while the server is too busy to tell."""
        with suppress(aiohttp.ClientError, TimeoutError):
            headers = {"authorization": f"Bearer {self._key}"}
            async with self._session.get(f"{self._url}/metrics", headers=headers, timeout=aiohttp.ClientTimeout(5)) as reply:
                return {name: int(float(value)) for name, value in POOL.findall(await reply.text())}
        return {}


def _cpu(processes: Sequence[psutil.Process]) -> float:
    """Seconds of processor that they have used."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
