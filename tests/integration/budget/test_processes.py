"""Real concurrency: eight processes, two hundred calls each, one budget. Exactly what is affordable is admitted; `kill -9` changes no sum."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.budget.hold_sweeper import HoldSweeper
from app.budget.holds import Payer
from tests.integration.budget.conftest import Bank

pytestmark = pytest.mark.long

PROCESSES, CALLS = 8, 200


async def start(url: str, payer: Payer, prices: tuple[int, int], *, calls: int = CALLS, work_seconds: float = 0.02) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.budget.caller", stdin=PIPE, stdout=PIPE, limit=2**20
    )
    order = {
        "url": url, "developer": str(payer.developer_id), "team": str(payer.team_id), "prices": prices, "calls": calls,
        "work_seconds": work_seconds, "key": None if payer.key_id is None else str(payer.key_id),
    }  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    await process.stdin.drain()
    return process


async def sweep_the_dead(bank: Bank) -> None:
    """Sweep the holds of processes that died, as if they had been silent for long enough; unless a survivor has."""
    async with bank.database.begin() as connection:
        await connection.execute(text("update budget_processes set seen_at = now() - interval '1 minute'"))
    keeper = HoldSweeper(bank.database, bank.ledger, process_id=uuid4(), silent_seconds=30)
    await keeper.open()
    await keeper.sweep()


async def counts_of(process: Process) -> dict[str, int]:
    assert process.stdout is not None
    said = (await process.stdout.read()).decode()
    assert await process.wait() == 0
    found: dict[str, int] = json.loads(said.rsplit("counts ", 1)[1])
    return found


@pytest.mark.parametrize("affordable", [1, 10, 100, 500])
async def test_at_equal_prices_exactly_the_affordable_are_admitted(bank: Bank, database_url: str, affordable: int) -> None:
    payer = await bank.payer(affordable * 1000)
    processes = [await start(database_url, payer, (1000, 1000)) for _ in range(PROCESSES)]
    counts = await asyncio.gather(*map(counts_of, processes))
    assert sum(each["granted"] for each in counts) == affordable
    assert sum(each["refused"] for each in counts) == PROCESSES * CALLS - affordable
    assert await bank.balance(payer.developer_id) == (affordable * 1000, 0)
    await bank.recount()


async def test_at_unequal_prices_less_is_left_than_the_cheapest_that_was_refused(bank: Bank, database_url: str) -> None:
    limit = 500_000
    payer = await bank.payer(limit)
    processes = [await start(database_url, payer, (500, 5000)) for _ in range(PROCESSES)]
    counts = await asyncio.gather(*map(counts_of, processes))
    spent, held = await bank.balance(payer.developer_id)
    assert (held, spent <= limit) == (0, True)
    assert limit - spent < min(each["cheapest_refused"] for each in counts)
    await bank.recount()


async def test_killed_in_the_middle_nothing_is_overspent_and_nothing_stays_held(bank: Bank, database_url: str) -> None:
    limit = 1_500_000
    payer = await bank.payer(limit)
    processes = [await start(database_url, payer, (500, 2000), work_seconds=3) for _ in range(PROCESSES)]
    chance = random.Random(7)
    killed = 0
    for victim in chance.sample(processes, 5):
        assert victim.stdout is not None
        if b"granted" not in await victim.stdout.readline():
            continue  # the others were faster: nothing was left for it
        await asyncio.sleep(chance.random() / 10)
        spent, held = await bank.balance(payer.developer_id)
        assert spent + held <= limit
        if victim.returncode is not None:
            continue  # waiting for one that got nothing took longer than its work
        victim.kill()
        await victim.wait()
        killed += 1
    assert killed > 0
    for process in processes:
        if process.returncode is None:
            await counts_of(process)
    spent, held = await bank.balance(payer.developer_id)
    assert spent + held <= limit
    await bank.recount()

    await sweep_the_dead(bank)
    spent, held = await bank.balance(payer.developer_id)
    assert (held, spent <= limit) == (0, True)
    states = await bank.states()
    assert "held" not in states
    assert states["unreconciled"] > 0
    await bank.recount()


@pytest.mark.parametrize("set_before", [True, False], ids=["the limit stands", "the limit is set meanwhile"])
async def test_killed_in_the_middle_a_key_never_passes_its_own_limit(bank: Bank, database_url: str, set_before: bool) -> None:
    """Half of the processes come with a key that may spend less than its developer, the other half without it."""
    limit, keyed = 400_000, replace(await bank.payer(4_000_000), key_id=uuid4())
    assert keyed.key_id is not None
    if set_before:
        await bank.limit_key(keyed.key_id, limit)
    payers = [keyed, replace(keyed, key_id=None)] * (PROCESSES // 2)
    processes = [await start(database_url, payer, (500, 2000), work_seconds=3) for payer in payers]
    chance, killed, ceiling = random.Random(11), set[Process](), 0
    for place in (0, 2, 1):
        victim = processes[place]
        assert victim.stdout is not None
        await victim.stdout.readline()
        await bank.limit_key(keyed.key_id, limit)  # again, and that counts everything once
        # What was granted before the limit was set may be more: then nothing is granted from there on.
        ceiling = ceiling or max(limit, 0 if set_before else await total_of(bank, keyed.key_id))
        await asyncio.sleep(chance.random() / 10)
        assert await total_of(bank, keyed.key_id) <= ceiling
        if victim.returncode is None:
            victim.kill()
            await victim.wait()
            killed.add(victim)
    assert killed
    processes += [await start(database_url, keyed, (500, 2000), work_seconds=0) for _ in range(2)]  # the limit is too low for these
    counts = [await counts_of(process) for process in processes if process not in killed]
    assert sum(each["refused"] for each in counts) > 0
    assert await total_of(bank, keyed.key_id) <= ceiling
    await bank.recount()
    await sweep_the_dead(bank)
    spent, held = await bank.balance(keyed.key_id)
    assert (held, 0 < spent <= ceiling) == (0, True)
    assert (await bank.balance(keyed.developer_id))[0] > spent
    await bank.recount()


async def total_of(bank: Bank, key_id: UUID) -> int:
    """Sum what the calls with a key have spent and hold, from their own rows."""
    query = text(
        "select (select coalesce(sum(m.nanousd), 0) from budget_movements m join budget_holds h on h.id = m.hold_id where h.key_id = :key)"
        " + (select coalesce(sum(nanousd), 0) from budget_holds where key_id = :key and state = 'held')"
    )
    async with bank.database.begin() as connection:
        return int(await connection.scalar(query, {"key": key_id}) or 0)
