"""The cache of knowledge queries over HTTP: hit, search (`no-store`), what reading the version costs; and the same from a shell:

python tests/performance/measure_queries.py [--iterations N]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp

from app import settings as config
from app.knowledge.cached_search import CachedSearch
from app.knowledge.versions import Scope, Versions
from app.services import Services, open_services
from tests.performance.corpus import questions
from tests.performance.filled import filled
from tests.performance.measure import Figure, latencies, percentile, timed
from tests.running import Running, running

ITEMS = 10_000
CLIENTS, SECONDS = 64, 5.0


async def measure(iterations: int, scratch: Path) -> list[Figure]:
    """10,000 items; one at a time, then 64 clients at once."""
    folder = scratch / "queries"
    await filled(ITEMS, folder)
    async with open_services(config.load(data_dir=folder), role="serve") as services:
        figures = await _versions(services, iterations)
    with running(folder, env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        return [*figures, *await _over_http(server, iterations)]


async def _versions(services: Services, iterations: int) -> list[Figure]:
    """One read alone, and 64 at once, which share reads."""
    assert isinstance(services.knowledge.search, CachedSearch)
    versions = services.knowledge.search._versions
    team = await services.accounts.team_id("default")
    project = (await services.accounts.find_projects(team))[0].id
    figures = []
    for name, scope in (("a project", Scope(team, project)), ("a team", Scope(team, None))):
        spent = await timed(partial(versions.current, scope), iterations=iterations, warm_up=50)
        figures += latencies("queries", f"version of {name}", spent)[:2]
    figures.append(await _shared(versions, team, project))
    return figures


async def _shared(versions: Versions, team: UUID, project: UUID) -> Figure:
    spent: list[float] = []

    async def one() -> None:
        began = time.perf_counter()
        await versions.current(Scope(team, project))
        spent.append((time.perf_counter() - began) * 1000)

    for _ in range(50):
        await asyncio.gather(*(one() for _ in range(CLIENTS)))
    return Figure("queries", f"version, {CLIENTS} at once, p50", "ms", percentile(spent, 0.5))


async def _over_http(server: Running, iterations: int) -> list[Figure]:
    texts = questions(iterations + 200)
    fresh = iter(texts[100:])
    head = {"authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=head, connector=aiohttp.TCPConnector(limit=CLIENTS)) as http:

        async def ask(text: str, control: str = "") -> str:
            headers = {"cache-control": control} if control else {}
            async with http.post(f"{server.url}/v1/knowledge/query", json={"query": text, "limit": 10}, headers=headers) as reply:
                assert reply.status == 200
                await reply.read()
                return reply.headers["x-cairn-cache"]

        known = texts[0]
        await ask(known)
        assert await ask(known) == "memory"
        figures = latencies("queries", "new question", await timed(lambda: ask(next(fresh)), iterations=iterations, warm_up=20))
        figures += latencies(
            "queries",
            "known question searched again (no-store)",
            await timed(lambda: ask(known, "no-store"), iterations=iterations, warm_up=20),
        )
        figures += latencies("queries", "known question from memory", await timed(lambda: ask(known), iterations=iterations, warm_up=50))
        for name, control in (("searched again", "no-store"), ("from memory", "")):
            figures.append(
                Figure("queries", f"known questions {name}, {CLIENTS} at once", "/s", await _rate(ask, texts[:50], control), at_least=True)
            )
        return figures


async def _rate(ask: Callable[[str, str], Awaitable[str]], texts: Sequence[str], control: str) -> float:
    until, done, places = time.perf_counter() + SECONDS, count(), count()

    async def client() -> None:
        while time.perf_counter() < until:
            await ask(texts[next(places) % len(texts)], control)
            next(done)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return next(done) / SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-queries-", dir="/tmp") as scratch:
        for figure in asyncio.run(measure(options.iterations, Path(scratch))):
            print(f"{figure.name:60} {figure.value:10.3f} {figure.unit}")


if __name__ == "__main__":
    main()
