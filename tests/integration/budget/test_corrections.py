"""Corrections: what a call is charged is set right by a movement against it; the books add up, and no limit is passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.accounts.requester import Requester
from app.alerts.budget_evaluator import announced_alerts
from app.budget.balances import BalanceReader
from app.budget.budgets import Budgets
from app.budget.corrections import Corrections
from app.budget.holds import Payer
from app.errors import BudgetExceeded, Conflict, InvalidInput, NotFound
from app.storage.database import Database
from tests.integration.budget.conftest import Bank, account, open_bank, team
from tests.waiting import patience


class Corrector:
    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.corrections = Corrections(bank.database)
        self.books = BalanceReader(bank.database, bank.calendar, announced_alerts)

    async def charged(self, payer: Payer, nanousd: int, *, of: int = 1000) -> int:
        """A call that was held at `of` and charged at `nanousd`; the id of its movement."""
        await self.bank.settle(await self.bank.hold(payer, of), nanousd)
        return await self.latest(payer)

    async def latest(self, payer: Payer) -> int:
        return (await self.books.read_movements(account(payer), limit=1))[0].id

    async def correct(self, payer: Payer, movement: int, nanousd: int) -> int:
        return await self.corrections.correct(account(payer), movement, nanousd=nanousd, actor="admin", note="as billed")


@pytest.fixture
async def corrector(database: Database, database_url: str) -> AsyncIterator[Corrector]:
    async for bank in open_bank(database, database_url):
        yield Corrector(bank)


async def days(bank: Bank) -> dict[str, int]:
    async with bank.database.begin() as connection:
        rows = await connection.execute(text("select subject_id, nanousd from budget_days"))
        return {str(row.subject_id): row.nanousd for row in rows}


async def test_a_charge_goes_down_and_up_again_in_every_book(corrector: Corrector) -> None:
    bank = corrector.bank
    payer = await bank.payer(5_000)
    movement = await corrector.charged(payer, 900)
    for wanted, change in ((250, -650), (0, -250), (700, 700)):
        assert await corrector.correct(payer, movement, wanted) == change
        for subject in (payer.developer_id, payer.team_id):
            assert await bank.balance(subject) == (wanted, 0)
            assert (await days(bank))[str(subject)] == wanted
        await bank.recount()
        assert not await corrector.books.verify()
    entry, *_, first = await corrector.books.read_movements(account(payer))
    assert (entry.kind, entry.mark, entry.nanousd, entry.corrects) == ("correction", "corrected", 700, movement)
    assert (entry.actor, entry.note, entry.provider, entry.request_id) == ("admin", "as billed", first.provider, first.request_id)


async def test_a_repetition_corrects_nothing(corrector: Corrector) -> None:
    payer = await corrector.bank.payer(5_000)
    movement = await corrector.charged(payer, 900)
    await corrector.correct(payer, movement, 300)
    with pytest.raises(Conflict, match="already"):
        await corrector.correct(payer, movement, 300)
    assert await corrector.bank.balance(payer.developer_id) == (300, 0)


async def test_what_was_reconciled_is_corrected_from_what_it_cost_then(corrector: Corrector) -> None:
    bank = corrector.bank
    payer = await bank.payer(5_000)
    hold = await bank.hold(payer, 800)
    await bank.ledger.mark_unreconciled(hold, "cut")
    with pytest.raises(Conflict, match="reconcile"):
        await corrector.correct(payer, await corrector.latest(payer), 10)
    await bank.ledger.reconcile([hold.id], nanousd=500, actor="admin", note=None)
    assert await corrector.correct(payer, await corrector.latest(payer), 120) == -380
    assert await bank.balance(payer.developer_id) == (120, 0)
    await bank.recount()


@pytest.mark.parametrize("whose", ["developer", "team"])
async def test_a_dearer_charge_must_fit_the_limit(corrector: Corrector, whose: str) -> None:
    bank = corrector.bank
    payer = await bank.payer(1_000 if whose == "developer" else 9_000)
    if whose == "team":
        await bank.limits.set(team(payer), "nanousd", 1_000, actor="admin")
    movement = await corrector.charged(payer, 400, of=400)
    await bank.hold(payer, 500)
    with pytest.raises(Conflict, match=f"{whose}'s limit"):
        await corrector.correct(payer, movement, 501)
    assert await corrector.correct(payer, movement, 500) == 100
    with pytest.raises(BudgetExceeded):
        await bank.hold(payer, 1)
    await bank.recount()


async def test_a_cheaper_charge_needs_no_room(corrector: Corrector) -> None:
    bank = corrector.bank
    payer = await bank.payer(1_000)
    movement = await corrector.charged(payer, 1_000)
    await bank.limits.set(account(payer), "nanousd", 10, actor="admin")
    assert await corrector.correct(payer, movement, 999) == -1
    await bank.recount()


async def test_what_is_no_charge_of_theirs_is_refused(corrector: Corrector) -> None:
    bank = corrector.bank
    payer, other = await bank.payer(5_000), await bank.payer(5_000)
    movement = await corrector.charged(payer, 900)
    for wrong in (movement + 1_000, 2**62):
        with pytest.raises(NotFound):
            await corrector.correct(payer, wrong, 1)
    with pytest.raises(NotFound):
        await corrector.correct(other, movement, 1)
    await corrector.correct(payer, movement, 100)
    with pytest.raises(Conflict, match="correction itself"):
        await corrector.correct(payer, await corrector.latest(payer), 1)
    await bank.limits.top_up(account(payer), 5, actor="admin")
    with pytest.raises(Conflict, match="top-up"):
        await corrector.correct(payer, await corrector.latest(payer), 1)
    await bank.limits.set(account(payer), "nanousd", 7_000, actor="admin")
    with pytest.raises(Conflict, match="limit"):
        await corrector.correct(payer, await corrector.latest(payer), 1)
    with pytest.raises(InvalidInput):
        await corrector.correct(payer, movement, -1)
    assert await bank.balance(payer.developer_id) == (100, 0)
    await bank.recount()


async def test_beside_running_calls_nothing_deadlocks_and_no_limit_is_passed(corrector: Corrector) -> None:
    bank = corrector.bank
    payers = [await bank.payer(3_000) for _ in range(3)]
    await bank.limits.set(team(payers[0]), "nanousd", 7_000, actor="admin")
    movements = {payer: await corrector.charged(payer, 100) for payer in payers}

    async def call(payer: Payer, number: int) -> None:
        try:
            hold = await bank.hold(payer, 150 + number % 7 * 40)
        except BudgetExceeded:
            return
        await bank.settle(hold, 100 + number % 5)

    async def correct(payer: Payer, number: int) -> None:
        try:
            await corrector.correct(payer, movements[payer], number * 53 % 1_200)
        except Conflict:
            return

    async with patience():
        await asyncio.gather(*(work(payer, number) for number in range(40) for payer in payers for work in (call, correct)))
    await bank.recount()
    for payer in payers:
        spent, held = await bank.balance(payer.developer_id)
        assert (held, spent <= 3_000) == (0, True)
    assert (await bank.balance(payers[0].team_id))[0] <= 7_000
    assert not await corrector.books.verify()


async def test_the_same_correction_many_times_at_once_counts_once(corrector: Corrector) -> None:
    payer = await corrector.bank.payer(5_000)
    movement = await corrector.charged(payer, 900)
    done = await asyncio.gather(*(corrector.correct(payer, movement, 200) for _ in range(8)), return_exceptions=True)
    assert sum(each == -700 for each in done) == 1
    assert sum(isinstance(each, Conflict) for each in done) == 7
    assert await corrector.bank.balance(payer.developer_id) == (200, 0)


async def test_by_name_an_unknown_developer_is_not_found(corrector: Corrector) -> None:
    bank = corrector.bank
    budgets = Budgets(bank.accounts, bank.limits, corrector.books, bank.ledger, corrector.corrections)
    with pytest.raises(NotFound):
        await budgets.correct(Requester(uuid4(), "default", role="admin"), f"nobody-{uuid4().hex}", 1, nanousd=1, note="x")


async def test_tokens_are_corrected_too_and_a_free_call_by_them_alone(corrector: Corrector) -> None:
    bank = corrector.bank
    payer = await bank.payer(5_000)
    await bank.limits.set(team(payer), "tokens", 100, actor="admin")
    hold = await bank.hold(payer, 0, tokens=90)
    await bank.settle(hold, 0, tokens=90)
    movement = await corrector.latest(payer)
    with pytest.raises(BudgetExceeded):
        await bank.hold(payer, 0, tokens=20)
    assert await corrector.corrections.correct(account(payer), movement, nanousd=0, tokens=5, actor="admin", note="it lied") == 0
    await bank.hold(payer, 0, tokens=60)
    with pytest.raises(Conflict, match="tokens more"):
        await corrector.corrections.correct(account(payer), movement, nanousd=0, tokens=41, actor="admin", note="it lied")
    await bank.recount()
    assert not await corrector.books.verify()
