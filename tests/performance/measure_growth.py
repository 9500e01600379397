"""What a path costs beside 1,000, 10,000, 100,000 and (calls only) 1,000,000 of what a store collects, and how that grows.

python tests/performance/measure_growth.py [--sizes=1000,10000,100000,1000000] [--only=query,hold] [--iterations=500] [--json FILE] [--out FOLDER]
python tests/performance/measure_growth.py --again=FILE      draws once more what --json kept of an earlier run

Writes the plot and the table into docs/; with --only, nowhere but to --out. Items end at 100,000: to embed and index a million takes half
an hour. A folder of so many items is made once a machine and kept under the temporary directory (`filled.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import text

from app import clock
from app import settings as settings_module
from app.accounts.requester import Requester
from app.knowledge.item import ItemCandidate
from app.knowledge.neighbours import item_text
from app.knowledge.reconciliation import EmbeddedCandidate, Source
from app.redaction.labels import free_text
from app.services import Services, open_services
from app.sessions.event import SessionHeader
from app.telemetry import logs
from tests.performance import growth_page
from tests.performance.callers import Connection, Reply, closed_loop, connected
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import A_SESSION, PROJECTS, SEED, filled, project
from tests.performance.growth import Grown, Point, Way, headline, table
from tests.performance.measure import timed
from tests.performance.measure_budget import connected as to_database
from tests.performance.measure_budget import opened
from tests.performance.measure_reindex import transcripts
from tests.performance.measure_search import asking, checked
from tests.performance.past_calls import past_calls
from tests.running import ROOT, Failed, Running, running
from tests.signing_in import cookie_header

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MAX_ITEMS, MAX_CALLS = 100_000, 1_000_000
BATCH = 20
"""Items of a session: as an upload, and as what dedup is given."""
WAYS = {
    each.name: each
    for each in (
        Way("ingest", "ms an item", "items", MAX_ITEMS),
        Way("dedup", "ms an item", "items", MAX_ITEMS),
        Way("query", "ms a question", "items", MAX_ITEMS),
        Way("hold", "ms a hold with its settlement", "calls", MAX_CALLS),
        Way("dashboard", "ms a developer's page", "calls", MAX_CALLS),
        Way("team page", "ms a team's page", "calls", MAX_CALLS),
    )
}
SHARES = {"ingest": 0.05, "dedup": 0.1, "query": 1.0, "hold": 0.2, "dashboard": 0.4, "team page": 0.4}
"""Of the iterations; `hold` is measured in four pairs an iteration."""
LEAST, MAX_WARM_UP = 3, 100
DAYS, DEVELOPERS, LOOKED_AT, TEAM = 365, 50, "developer007", "big"
PAGES = {"dashboard": f"/dashboard/developers/{LOOKED_AT}?team={TEAM}", "team page": f"/dashboard/team?team={TEAM}"}
FRESH = 21
WIDE = 180
MAX_SECONDS = 1800.0
console = Console(stderr=True)

Say = Callable[[str], None]
Measured = AsyncGenerator[tuple[str, Point], None]


class Measurement:
    """One run: which paths, beside how many, how often."""

    def __init__(self, sizes: Sequence[int], only: Sequence[str], iterations: int, scratch: Path, say: Say) -> None:
        self._sizes, self._only, self._iterations, self._scratch, self._say = sizes, only, iterations, scratch, say

    async def run(self) -> Measured:
        for part in (self._items, self._ledger, self._calls):
            async with aclosing(part()) as found:
                async for each in found:
                    yield each

    async def _items(self) -> Measured:
        """Each size in a copy of its own, one at a time: 100,000 items are some gigabytes."""
        for size in self._sizes_of("ingest", "dedup", "query"):
            self._say(f"filling, {size:,} items")
            with tempfile.TemporaryDirectory(prefix="items-", dir=self._scratch) as place:
                folder = Path(place) / "data"
                await filled(size, folder)
                if {"query", "ingest"} & set(self._only):
                    with running(folder) as server:
                        for name, measure in (("query", self._queries), ("ingest", self._uploads)):
                            if name in self._only:
                                self._say(f"{name} beside {size:,} items")
                                yield name, Point.of(size, await measure(server, Path(place)))
                if "dedup" in self._only:
                    self._say(f"dedup beside {size:,} items")
                    async with open_services(settings_module.load(data_dir=folder), role="serve") as services:
                        yield "dedup", Point.of(size, await self._batches(services, size))

    async def _queries(self, server: Running, place: Path) -> list[float]:
        """Over one connection, each new, each filtered on a project."""
        del place
        times, warm_up = self._times("query"), self._warm_up("query")
        asked = asking(varied_questions(times + warm_up, seed=int(time.time())))
        async with connected(server.url, 1, {"authorization": f"Bearer {server.key}"}) as connections:
            await closed_loop(connections, warm_up, asked)
            replies = await closed_loop(connections, times, asked)
        checked(replies)
        return [reply.seconds * 1000 for reply in replies]

    async def _uploads(self, server: Running, place: Path) -> list[float]:
        """From the first byte sent until its items can be found, by the job's own clock. Each is purged again: the store keeps its size."""
        spent = []
        for number, file in enumerate(transcripts(place, self._times("ingest") + 1, BATCH)):
            began = time.time()
            job = await asyncio.to_thread(server.finished, await asyncio.to_thread(server.upload, file, project(number % PROJECTS)))
            if job["state"] != "done":
                raise Failed(f"{file.name} wasn't learnt: {job}")
            result, ended = job["result"], datetime.fromisoformat(str(job["finished_at"])).timestamp()
            assert isinstance(result, dict)
            learnt = result["knowledge"]["new"] + result["knowledge"]["merged"]
            spent.append((ended - began) * 1000 / learnt)
            for session in result["sessions"]:
                await asyncio.to_thread(server.delete, f"/v1/sessions/{session}")
        return spent[1:]

    async def _batches(self, services: Services, size: int) -> list[float]:
        """Half of each batch is told again, in the words of items that are stored; half is new. Embedded before the clock starts."""
        async with services.database.begin() as connection:
            team = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
            at = await services.accounts.project_id(connection, team, project(0))
        times, half = self._times("dedup") + 1, BATCH // 2
        stored = [pair for number, pair in enumerate(varied_lessons(size, seed=SEED)) if number // A_SESSION % PROJECTS == 0]
        fresh = iter(varied_lessons(times * half, seed=FRESH))
        spent = []
        for number in range(times):
            known = [stored[(number * half + each) % len(stored)] for each in range(half)]
            pairs = [*known, *(next(fresh) for _ in range(half))]
            async with services.database.begin() as connection:
                session = await services.journal.open(
                    connection,
                    team_id=team,
                    project_id=at,
                    developer_id=None,
                    header=SessionHeader("generic", str(uuid4())),
                    transcript="growth.jsonl",
                )
            candidates = [ItemCandidate(str(n), "bug_solution", *pair, 0.7, str(n), f"L{n}", pair[1]) for n, pair in enumerate(pairs)]
            vectors = await services.embedder.embed([item_text(*pair) for pair in pairs])
            embedded = {
                each.key: EmbeddedCandidate(each, vector, services.embedder.model) for each, vector in zip(candidates, vectors, strict=True)
            }
            source = Source(session, team, at, None, "growth.jsonl", clock.now())
            began = time.perf_counter()
            learnt = await services.knowledge.store.reconcile(source, candidates=candidates, embedded=embedded)
            spent.append((time.perf_counter() - began) * 1000 / BATCH)
            if (learnt.new, learnt.merged) != (half, half):
                raise RuntimeError(f"Of {BATCH} items {learnt.new} were new and {learnt.merged} merged: half of each was expected.")
            await services.sessions.purge.delete_session(Requester(team, "default", role="admin"), session)
            while await services.knowledge.index.pending():
                await services.knowledge.index.drain()
        return spent[1:]

    async def _ledger(self) -> Measured:
        """All past rows are of the developer who pays, and of this month."""
        if sizes := self._sizes_of("hold"):
            self._say("hold")
            async with (
                opened(self._scratch / "ledger", self._times("hold")) as (loads, team, _),
                aclosing(loads.after(team[:1], sizes)) as all_,
            ):
                async for size, paid in all_:
                    yield "hold", Point.of(size, paid.pairs)

    async def _calls(self) -> Measured:
        """Pages over HTTP, as an admin sees them."""
        for size in self._sizes_of(*PAGES):
            with tempfile.TemporaryDirectory(prefix="calls-", dir=self._scratch) as place, running(Path(place) / "data") as server:
                self._say(f"filling, {size:,} calls")
                async with to_database(server.database_url()) as connection:
                    for statement in [*past_calls(size, developers=DEVELOPERS, days=DAYS), "vacuum analyze", "checkpoint"]:
                        await connection.execute(statement)
                async with connected(server.url, 1, {"cookie": await cookie_header(server, server.key)}) as connections:
                    for name in (each for each in PAGES if each in self._only):
                        self._say(f"{name} beside {size:,} calls")
                        yield name, Point.of(size, await self._pages(connections[0], name))

    async def _pages(self, connection: Connection, name: str) -> list[float]:
        async def look() -> Reply:
            reply = await connection.get(PAGES[name])
            if reply.status != 200:
                raise RuntimeError(f"{PAGES[name]}: {reply.status} {reply.body[:300]!r}")
            return reply

        return await timed(look, iterations=self._times(name), warm_up=self._warm_up(name))

    def _sizes_of(self, *names: str) -> list[int]:
        return [size for size in self._sizes if any(name in self._only and size <= WAYS[name].most for name in names)]

    def _times(self, name: str) -> int:
        return max(LEAST, round(self._iterations * SHARES[name]))

    def _warm_up(self, name: str) -> int:
        return min(MAX_WARM_UP, self._times(name))


async def measure(sizes: Sequence[int], only: Sequence[str], iterations: int, scratch: Path) -> list[Grown]:
    """Every path in the order of `WAYS`, with a bar for those who wait."""
    points: dict[str, list[Point]] = {name: [] for name in WAYS if name in only}
    total = sum(size <= WAYS[name].most for name in points for size in sizes)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=total)

        def say(what: str) -> None:
            bar.update(task, description=what)
            if not console.is_terminal:
                console.print(what)

        async with asyncio.timeout(MAX_SECONDS), aclosing(Measurement(sizes, only, iterations, scratch, say).run()) as found:
            async for name, point in found:
                points[name].append(point)
                bar.advance(task)
                console.print(f"  {name}, {point.size:,}: p50 {point.p50:.2f} ms, p95 {point.p95:.2f} ms of {point.count}")
    return [Grown(WAYS[name], tuple(found)) for name, found in points.items() if found]


def machine(began: str) -> str:
    """When, on what, and how busy it was with everything together."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor() or platform.machine()
    )
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"Measured {clock.now():%Y-%m-%d} on {psutil.cpu_count()} cores of {name}, {memory:.0f} GB; "
        f"load {began} at the beginning, {_load()} at the end (1, 5, 15 minutes; this run's own included)."
    )


def _load() -> str:
    return ", ".join(f"{each:.1f}" for each in psutil.getloadavg())


def show(all_: Sequence[Grown], made: str) -> None:
    head, *rows = table(all_)
    shown = Table(*head, title=headline(all_), caption=made)
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDE).print(shown)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=list(SIZES), help="how many, separated by commas")
    parser.add_argument("--only", type=_names, default=[], help=f"some of: {', '.join(WAYS)}")
    parser.add_argument("--iterations", type=int, default=500, help="questions a size; of the slower paths a share of it")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument(
        "--out", type=Path, help="the folder for growth.svg and performance.md; docs/explanation, where everything is measured"
    )
    parser.add_argument("--again", type=Path, help="measure nothing: these are the figures")
    given = parser.parse_args()
    if given.iterations < 1:
        parser.error("--iterations must be at least 1")
    return given


def _sizes(value: str) -> list[int]:
    sizes = sorted({int(each) for each in value.split(",") if each.isdecimal()})
    if not sizes or sizes[0] < A_SESSION or len(sizes) != len(value.split(",")):
        raise argparse.ArgumentTypeError(f"{value!r}: whole numbers of {A_SESSION} at least, separated by commas")
    return sizes


def _names(value: str) -> list[str]:
    if unknown := [each for each in value.split(",") if each not in WAYS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose among {', '.join(WAYS)}")
    return value.split(",")


def _measured(given: argparse.Namespace) -> tuple[list[Grown], str]:
    began = _load()
    logs.configure(settings_module.LogSettings(level="warning"), clean=free_text)
    with tempfile.TemporaryDirectory(prefix="cairn-growth-", dir="/tmp") as scratch:
        found = asyncio.run(measure(given.sizes, given.only or list(WAYS), given.iterations, Path(scratch)))
    return found, machine(began)


def _kept(file: Path) -> tuple[list[Grown], str]:
    kept = json.loads(file.read_text())
    return [Grown(WAYS[name], tuple(Point(**point) for point in each["points"])) for name, each in kept["ways"].items()], kept["made"]


def main() -> int:
    given = options()
    found, made = _kept(given.again) if given.again else _measured(given)
    show(found, made)
    if given.json:
        told = {each.way.name: {"points": [asdict(point) for point in each.points], "fit": each.fit and asdict(each.fit)} for each in found}
        given.json.write_text(json.dumps({"made": made, "ways": told}, indent=2, ensure_ascii=False) + "\n")
    out = given.out or (None if given.only else ROOT / "docs" / "explanation")
    for path in growth_page.write(out, found, made) if out else []:
        print("written:", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
