"""Developers at work against a running Cairn, over real HTTP: throughput, latency by route, errors, pool, memory and processor over time.

python tests/performance/load_test.py --users=50 --duration=300s [--profile=steady|ramp|spike|endurance|stress] [--url URL [--models]]
    [--think 0.5] [--json FILE] [--compare FILE]

Without --url it starts a server of its own in a scratch folder, with a fake provider behind it. With --url it uses that one, with the admin
key in CAIRN_KEY; it makes developers `load-…` and writes into the project `load-test` there, and asks no models unless --models says so, for
they cost money. Exit 1 when p95 is above 2 s, a request fails, the pool runs dry or memory grows. A stress test raises the number of users
until something breaks, and says what.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from tests.performance.door import fake, served
from tests.performance.load import profiles, verdict
from tests.performance.load.people import Person, Place
from tests.performance.load.record import Record, Summary, by_route
from tests.performance.load.watch import Look, Watch
from tests.running import ROOT

PROJECT, MAX_DEVELOPERS, LIMIT_USD = "load-test", 50, 10_000
PER_TOKEN_MS = 5.0
TICK_SECONDS = 0.1
WORSE = 1.10
console = Console(stderr=True)


def seconds(value: str) -> float:
    """ "300s", "5m" or "300"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", value)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{value!r} is no duration: 300s, 5m, 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]


def positive(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} must be a whole number, at least 1")
    return int(value)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=50)
    parser.add_argument("--duration", type=seconds, default=300.0, help="300s, 5m, 1h")
    parser.add_argument("--profile", choices=profiles.NAMES, default="steady")
    parser.add_argument("--url", help="a running server; else one is started")
    parser.add_argument("--models", action="store_true", help="with --url: also ask its models, which may cost money")
    parser.add_argument("--think", type=float, default=None, help="seconds between two requests of a user, on average (0.5; stress: 0)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--compare", type=Path, help="figures of an earlier run: exit 1 when a p95 or the throughput is over 10 %% worse")
    given = parser.parse_args()
    if given.think is None:
        given.think = 0.0 if given.profile == "stress" else 0.5
    if given.url and not os.environ.get("CAIRN_KEY"):
        parser.error("--url needs the server's admin key in CAIRN_KEY: it makes the developers whose work it does")
    return given


@asynccontextmanager
async def opened(given: argparse.Namespace, session: aiohttp.ClientSession) -> AsyncIterator[tuple[Place, str, list[psutil.Process]]]:
    """Where to work, the admin key, and the server's processes where they run here."""
    async with AsyncExitStack() as stack:
        if given.url:
            url, admin, processes = given.url.rstrip("/"), os.environ["CAIRN_KEY"], []
        else:
            console.print("starting a server with a fake provider …")
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cairn-load-")))
            provider = stack.enter_context(fake(PER_TOKEN_MS))
            server, _ = await asyncio.to_thread(stack.enter_context, served(scratch / "load", {"quick": provider}))
            for file in sorted((ROOT / "examples" / "sessions").iterdir()):
                job = await asyncio.to_thread(server.upload, file, PROJECT)
                await asyncio.to_thread(server.finished, job)
            url, admin, processes = server.url, server.key, server.family()
        keys = [await _key(session, url, admin, number) for number in range(min(given.users, MAX_DEVELOPERS))]
        yield Place(url, keys, PROJECT, models=given.models or not given.url), admin, processes


async def _key(session: aiohttp.ClientSession, url: str, admin: str, number: int) -> str:
    headers, name = {"authorization": f"Bearer {admin}"}, f"load-{number}"
    async with session.post(f"{url}/v1/developers", headers=headers, json={"name": name, "monthly_limit_usd": LIMIT_USD}) as reply:
        if reply.status not in {201, 409}:
            raise SystemExit(f"No developer could be made at {url}: {reply.status} {(await reply.text())[:300]}")
    async with session.post(f"{url}/v1/developers/{name}/keys", headers=headers, json={}) as reply:
        if reply.status != 201:
            raise SystemExit(f"No key could be made at {url}: {reply.status} {(await reply.text())[:300]}")
        return str((await reply.json())["key"])


class Run:
    """The crowd: as many users as the profile says, from moment to moment."""

    def __init__(self, given: argparse.Namespace, place: Place, session: aiohttp.ClientSession, watch: Watch) -> None:
        self.record = Record()
        self.steps: list[tuple[float, float, int]] = []
        self._given, self._place, self._session, self._watch = given, place, session, watch
        self._users = profiles.users(given.profile, given.users, given.duration)
        self._working: list[asyncio.Task[None]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self.elapsed_at_end = 0.0

    @property
    def elapsed(self) -> float:
        return perf_counter() - self.record.began

    async def run(self) -> None:
        said = 0.0
        try:
            while (at := self.elapsed) < self._given.duration:
                wanted = self._users(at)
                if not self.steps or self.steps[-1][2] != wanted:
                    self.steps.append((at, self._given.duration, wanted))
                    self.steps[-2:-1] = [(since, at, users) for since, _, users in self.steps[-2:-1]]
                    if self._given.profile == "stress" and self._broken():
                        return
                self._crowd(wanted)
                if at - said >= 1:
                    self._progress(at)
                    said = at
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self.elapsed_at_end = self.elapsed
            self._crowd(0)
            if self._leaving:
                await asyncio.wait(self._leaving)

    def _crowd(self, wanted: int) -> None:
        while len(self._working) > wanted:
            (task := self._working.pop()).cancel()
            self._leaving.add(task)
        while len(self._working) < wanted:
            person = Person(len(self._working), self._place, self._session, self.record, think_seconds=self._given.think)
            self._working.append(asyncio.create_task(person.work()))

    def _broken(self) -> bool:
        """Whether a step that is over broke something."""
        return verdict.breaking(verdict.steps_of(self.record, self.steps[:-1])) is not None

    def _progress(self, at: float) -> None:
        recent = self.record.between(at - 5, at)
        now = by_route(recent, min(5.0, at))[-1]
        look = self._watch.looks[-1] if self._watch.looks else None
        server = "" if look is None or look.memory_mb is None else f" · {look.memory_mb:,.0f} MB · {look.cores:.1f} cores"
        pool = "" if look is None or look.pool is None else f" · pool {look.in_use}/{look.pool}"
        failed = sum(sample.error is not None for sample in self.record.samples)
        line = f"{at:5.0f}/{self._given.duration:.0f} s · {len(self._working)} users · {now.a_second:,.0f}/s · p95 {now.p95:,.0f} ms{server}{pool}"
        console.print(f"{line} · [red]{failed} failed[/red]" if failed else line, end="\r" if console.is_terminal else "\n")


def show(routes: Sequence[Summary], looks: Sequence[Look]) -> None:
    table = Table("route", "requests", "failed", "a second", "p50 ms", "p95 ms", "p99 ms", title="By route")
    for each in routes:
        row = (
            each.route,
            f"{each.requests:,}",
            f"{each.failed:,}",
            f"{each.a_second:,.1f}",
            *(f"{v:,.1f}" for v in (each.p50, each.p95, each.p99)),
        )
        table.add_row(*row, style="bold" if each.route == "all" else None)
    out = Console()
    out.print(table)
    over_time = Table("at s", "memory MB", "server cores", "with children", "this script", "pool", title="Over time")
    for place in sorted({round(share * (len(looks) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)}) if looks else ():
        look = looks[place]
        told = [f"{value:,.1f}" if value is not None else "–" for value in (look.memory_mb, look.server_cores, look.cores, look.our_cores)]
        over_time.add_row(f"{look.at:.0f}", *told, "–" if look.pool is None else f"{look.in_use} of {look.pool}")
    out.print(over_time)


def worse(routes: Sequence[Summary], earlier: dict[str, dict[str, float]]) -> list[str]:
    """Routes that are more than 10 % slower, and less throughput, than in the run compared with."""
    found = []
    for each in routes:
        before = earlier.get(each.route)
        if before and each.p95 > before["p95"] * WORSE:
            found.append(f"{each.route}: p95 {before['p95']:,.1f} → {each.p95:,.1f} ms")
        if before and each.route == "all" and each.a_second < before["a_second"] / WORSE:
            found.append(f"throughput {before['a_second']:,.1f} → {each.a_second:,.1f} requests/s")
    return found


async def measured(given: argparse.Namespace) -> int:
    run, watch = await _ran(given)
    routes = by_route(run.record.samples, run.elapsed_at_end)
    console.print()
    show(routes, watch.looks)
    if given.json:
        figures = {each.route: asdict(each) for each in routes}
        given.json.write_text(json.dumps({"routes": figures, "looks": [asdict(look) for look in watch.looks]}, indent=2) + "\n")
    for error, count in run.record.errors().most_common(10):
        print(f"failed {count} times: {error}")
    if given.profile == "stress":
        return _stressed(run, watch)
    slower = worse(routes, json.loads(given.compare.read_text())["routes"]) if given.compare else []
    found = [*verdict.failures(routes, watch.looks), *(f"worse: {line}" for line in slower)]
    for line in found:
        print(f"FAILED: {line}")
    if not found:
        print("Good: every p95 within 2 s, nothing failed, the pool held, memory did not grow.")
    return int(bool(found))


async def _ran(given: argparse.Namespace) -> tuple[Run, Watch]:
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, opened(given, session) as (place, admin, processes):
        watch = Watch(place.url, admin, processes, session)
        run = Run(given, place, session, watch)
        watching = asyncio.create_task(watch.run(run.record.began))
        try:
            await run.run()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        return run, watch


def _stressed(run: Run, watch: Watch) -> int:
    """Exit 1 only where the first step broke already."""
    steps = [step for step in verdict.steps_of(run.record, run.steps) if step[1].requests]
    table = Table("users", "requests/s", "p50 ms", "p95 ms", "failed", title="Step by step")
    for users, step in steps:
        table.add_row(f"{users}", f"{step.a_second:,.0f}", f"{step.p50:,.1f}", f"{step.p95:,.1f}", f"{step.failed:,}")
    Console().print(table)
    users, most = verdict.saturated(steps)
    since = next(since for since, _, count in run.steps if count == users)
    bound = verdict.bound([look for look in watch.looks if look.at >= since], psutil.cpu_count() or 1)
    print(f"More than {users} users bring no more than {most.a_second:,.0f} requests/s. What bounds it: {bound}.")
    broke = verdict.breaking(steps)
    if broke is None:
        print("Nothing broke: more --users, or more --duration, would say more.")
        return 0
    print(f"It broke with {broke[0]} users: {broke[1]}.")
    return int(broke[0] == steps[0][0])


def main() -> int:
    try:
        return uvloop.run(measured(options()))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
