"""The ledger, measured: holds and settlements by processes of their own (`payers.py`) against one embedded PostgreSQL, flushed as ever."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from app import clock
from app import settings as config
from app.accounts.accounts import Accounts
from app.budget.holds import Payer
from app.budget.limits import BudgetLimits
from app.budget.periods import Calendar
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from tests.performance.measure import Figure, latencies, percentile
from tests.performance.payers import Order, as_line
from tests.running import ROOT

LIMIT_NANOUSD = 10**15
ONE_TEAM = 50
TEAMS, DEVELOPERS = 20, 1000
PROCESSES = 4
ONE_RATE, FOUR_RATE, FOUR_BUSY_RATE = 500, 200, 1000
"""Pairs a second, of all processes together. Four processes with 50 calls each under way make 200 where a call takes a second."""
PAST_ROWS = (0, 100_000, 1_000_000)
FILLED_AT_ONCE = 100_000
MAX_SECONDS = 30.0
ANSWER_BYTES = 2**26

FILL = """
with past as (
    insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens,
        state, created_at, ended_at)
    select gen_random_uuid(), replace(gen_random_uuid()::text, '-', ''), 1, ($1::uuid[])[1 + n % cardinality($1::uuid[])], $2,
        date_trunc('month', at), at::date, gen_random_uuid(), 'fake', 'fake-1', 1000, 10, 'settled', at, at + interval '2 seconds'
    from generate_series(1, $3::int) n, lateral (select now() - n * interval '2 seconds' as at) moments
    returning *
)
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model,
    input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, held_nanousd, nanousd, tokens, price)
select ended_at, 'settle', 'usage', developer_id, team_id, period_start, id, request_id, attempt, provider, model,
    6, 2, 0, 0, nanousd, 500, 8, '{"input": 50000000, "output": 100000000, "cached_input": null, "cache_write": null}'
from past
"""


@dataclass(frozen=True, slots=True)
class Paid:
    """Of all processes together: milliseconds of each hold, of each hold with its settlement; pairs a second."""

    holds: list[float]
    pairs: list[float]
    rate: float


async def budget(iterations: int, scratch: Path) -> list[Figure]:
    """Hold then settle, by load. Each figure after a warm-up that isn't counted, and from empty tables but for the past ones."""
    async with opened(scratch / "budget", iterations) as (loads, team, teams):
        return [
            *await loads.saturated(team),
            *await loads.calm(team),
            *await loads.four_processes(team),
            *await loads.past(team),
            *await loads.many_developers(teams),
        ]


@asynccontextmanager
async def opened(folder: Path, iterations: int) -> AsyncIterator[tuple[Loads, list[Payer], list[Payer]]]:
    """A ledger of its own: its loads, one team's developers, and those of many teams."""
    folder.mkdir()
    settings = config.load()
    async with (
        embedded_postgres(folder / "postgres", max_connections=settings.database.embedded_max_connections) as url,
        connected(url) as connection,
    ):
        await migrations.upgrade(url)
        database = await Database.open(settings.database, url, name="benchmark")
        try:
            accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=LIMIT_NANOUSD)
            limits = BudgetLimits(database, accounts, Calendar(settings.budget.time_zone), settings.budget)
            team, teams = await _made(accounts)
            yield Loads(url, connection, limits, iterations), team, teams
        finally:
            await database.close()


class Loads:
    def __init__(self, url: str, connection: asyncpg.Connection, limits: BudgetLimits, iterations: int) -> None:
        self._connection = connection
        self._limits = limits
        self._iterations = iterations
        self._order = Order(url, [], at_once=0, rate=0, warm_up=0, pairs=0, seconds=MAX_SECONDS)

    async def saturated(self, team: Sequence[Payer]) -> list[Figure]:
        paid = await self._paid("one process, 64 at once", team, at_once=64, pairs=40)
        return [
            Figure("budget", "one process, 64 at once", "pairs/s", paid.rate, 5000, at_least=True),
            *latencies("budget", "hold, one process, 64 at once", paid.holds, p95_target=6),
        ]

    async def calm(self, team: Sequence[Payer]) -> list[Figure]:
        name = f"hold, one process, {ONE_RATE} pairs/s"
        paid = await self._paid(name, team, rate=ONE_RATE, pairs=10)
        return latencies("budget", name, paid.holds, p95_target=3)

    async def four_processes(self, team: Sequence[Payer]) -> list[Figure]:
        """One row is locked by all: as fast as they can, and at the rates of real calls."""
        name = f"{PROCESSES} processes × 50 at once, one team"
        saturated = await self._paid(name, team, processes=PROCESSES, at_once=50, pairs=10)
        figures = [Figure("budget", name, "pairs/s", saturated.rate), *latencies("budget", f"hold, {name}", saturated.holds, p95_target=10)]
        for rate, pairs in ((FOUR_RATE, 1), (FOUR_BUSY_RATE, 5)):
            name = f"hold, {PROCESSES} processes, {rate:,} pairs/s, one team"
            paced = await self._paid(name, team, processes=PROCESSES, rate=rate / PROCESSES, pairs=pairs)
            figures += latencies("budget", name, paced.holds, p95_target=10)
        return figures

    async def past(self, team: Sequence[Payer]) -> list[Figure]:
        figures, medians = [], []
        async for rows, paid in self.after(team, PAST_ROWS):
            figures += latencies("budget", f"hold and settle, {rows:,} past rows", paid.pairs)
            medians.append(percentile(paid.pairs, 0.5))
        return [
            *figures,
            Figure("budget", f"hold and settle, {PAST_ROWS[-1]:,} past rows to none, p50", "×", medians[-1] / medians[0], 1.25),
        ]

    async def after(self, payers: Sequence[Payer], past: Sequence[int]) -> AsyncGenerator[tuple[int, Paid], None]:
        """Beside so many past rows, fewest first. One pair after the other: a pair's own cost, and no waiting for others."""
        filled = 0
        await self._empty(payers)
        for rows in past:
            while filled < rows:
                _say(f"filling, {filled:,} of {rows:,} past rows")
                more = min(FILLED_AT_ONCE, rows - filled)
                await self._connection.execute(FILL, [each.developer_id for each in payers], payers[0].team_id, more)
                filled += more
            for statement in ("vacuum analyze", "checkpoint"):
                await self._connection.execute(statement)
            yield rows, await self._paid(f"hold and settle, {rows:,} past rows", payers, at_once=1, pairs=4, empty=False)

    async def many_developers(self, teams: Sequence[Payer]) -> list[Figure]:
        name = f"{DEVELOPERS:,} developers of {TEAMS} teams, 64 at once"
        paid = await self._paid(name, teams, at_once=64, pairs=40)
        return [Figure("budget", name, "pairs/s", paid.rate), *latencies("budget", f"hold, {name}", paid.holds)]

    async def _paid(
        self, name: str, payers: Sequence[Payer], *, pairs: int, at_once: int = 0, rate: float = 0, processes: int = 1, empty: bool = True
    ) -> Paid:
        """`pairs`: so many an iteration, in each process."""
        _say(name)
        if empty:
            await self._empty(payers)
        order = replace(
            self._order,
            payers=[(str(each.developer_id), str(each.team_id)) for each in payers],
            at_once=at_once,
            rate=rate,
            pairs=pairs * self._iterations,
            warm_up=max(100, pairs * self._iterations // 5),
        )
        async with _started([replace(order, seed=seed) for seed in range(processes)]) as started:
            for process in started:
                await _line(process)  # it is ready
            for process in started:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
            said = [json.loads(await _line(process)) for process in started]
        return Paid(
            [each / 1000 for one in said for each in one["holds"]],
            [each / 1000 for one in said for each in one["pairs"]],
            sum(len(one["pairs"]) / one["seconds"] for one in said),
        )

    async def _empty(self, payers: Sequence[Payer]) -> None:
        """Nothing but the open month of each payer."""
        await self._connection.execute("truncate budget_holds, budget_movements, budget_days, budget_balances, budget_alerts")
        for payer in payers:
            await self._limits.open_period(payer, clock.now())
        await self._connection.execute("checkpoint")


@asynccontextmanager
async def _started(orders: Sequence[Order]) -> AsyncIterator[list[Process]]:
    """Processes that pay. At the end they stop by themselves; where something went wrong, they are killed."""
    started: list[Process] = []
    try:
        for order in orders:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.performance.payers", stdin=PIPE, stdout=PIPE, limit=ANSWER_BYTES, cwd=ROOT
            )
            started.append(process)
            assert process.stdin is not None
            process.stdin.write(as_line(order))
        yield started
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        async with asyncio.timeout(MAX_SECONDS):
            await asyncio.gather(*(process.wait() for process in started))
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _line(process: Process) -> bytes:
    """The next line that it says; RuntimeError where it ends or stays silent instead."""
    assert process.stdout is not None
    async with asyncio.timeout(3 * MAX_SECONDS):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"A process that pays ended with {await process.wait()}: its last words are above.")
    return line


async def _made(accounts: Accounts) -> tuple[list[Payer], list[Payer]]:
    """One team's developers; and those of many teams."""
    for name in ("one", *(f"team-{n}" for n in range(TEAMS))):
        await accounts.create_team(name)
    one = [await accounts.create_developer(f"one-{n}", team="one") for n in range(ONE_TEAM)]
    many = [await accounts.create_developer(f"many-{n}", team=f"team-{n % TEAMS}") for n in range(DEVELOPERS)]
    return [Payer(each.id, each.team_id) for each in one], [Payer(each.id, each.team_id) for each in many]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Outside of any transaction, and without a timeout: for what fills and empties the tables."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        yield connection
    finally:
        await connection.close()


def _say(what: str) -> None:
    print(f"budget: {what}", file=sys.stderr, flush=True)
