"""What the ledger tells about a month, its history, and whether its balances are what the rows add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.accounts.requester import DeveloperRole, Requester
from app.alerts.budget_evaluator import announced_alerts
from app.budget import limits as limiting
from app.budget.balances import BalanceReader
from app.budget.budgets import Budgets
from app.budget.corrections import Corrections
from app.budget.limits import Account
from app.budget.standing_limits import lock_limits, set_standing
from app.errors import BudgetExceeded, InvalidInput, NotFound, NotPermitted
from app.storage.pages import PageWanted
from tests.integration.budget.conftest import Bank, account, team, until_waiting

ADMIN = Requester(uuid4(), "default", role="admin")


@pytest.fixture
def books(bank: Bank) -> BalanceReader:
    return BalanceReader(bank.database, bank.calendar, announced_alerts)


@pytest.fixture
def budgets(bank: Bank, books: BalanceReader) -> Budgets:
    return Budgets(bank.accounts, bank.limits, books, bank.ledger, Corrections(bank.database))


async def test_the_state_of_a_month(bank: Bank, budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 11, tzinfo=UTC))
    payer = await bank.payer(1000, "ada")
    await bank.settle(await bank.hold(payer, 200), 100)
    await bank.ledger.mark_unreconciled(await bank.hold(payer, 50), "cut")
    await bank.hold(payer, 30)
    await bank.limits.top_up(account(payer), 500, actor="admin")
    budget = (await budgets.get(ADMIN, "ada")).budget
    assert (budget.limit, budget.added, budget.spent, budget.held, budget.unreconciled) == (1000, 500, 150, 30, 50)
    assert budget.remaining == 1320
    assert (budget.forecast, budget.too_early_to_tell) == (150, True)  # their first call is of today
    assert (budget.period.start, budget.period.end) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


async def test_a_month_that_nobody_opened_is_told_as_it_will_be(bank: Bank, budgets: Budgets) -> None:
    await bank.payer(1000, "ada")
    await bank.payer(2000, "bob")
    assert [
        (each.developer, each.budget.limit, each.budget.spent) for each in (await budgets.list_page(ADMIN, PageWanted(10, "name"))).entries
    ] == [
        ("ada", 1000, 0),
        ("bob", 2000, 0),
    ]


async def test_own_is_for_developers(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000, "ada")
    key = (await bank.accounts.keys.create("ada")).key
    requester = await bank.accounts.authenticate(key)
    assert isinstance(requester, Requester)
    assert (await budgets.get_own(requester)).budget.limit == 1000
    assert payer.developer_id
    with pytest.raises(InvalidInput, match="no budget of its own"):
        await budgets.get_own(await bank.accounts.authenticate("a" * 40))


async def test_history_comes_in_pages_and_whole_for_a_developer_and_a_team(
    bank: Bank, books: BalanceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.budget.balances.PAGE", 2)
    payer = await bank.payer(1000)
    for amount in range(1, 6):
        await bank.settle(await bank.hold(payer, 10), amount)
    await bank.limits.set(team(payer), "nanousd", 99, actor="ada", note="tight")
    first = await books.read_movements(account(payer), limit=2)
    assert [each.nanousd for each in first] == [5, 4]
    assert [each.nanousd for each in await books.read_movements(account(payer), after=first[-1].id, limit=2)] == [3, 2]
    whole = [each async for each in books.iterate_movements(team(payer))]
    assert [(each.kind, each.nanousd) for each in whole] == [("limit", 0), *(("settle", amount) for amount in (5, 4, 3, 2, 1))]
    assert (whole[0].unit, whole[0].amount, whole[0].actor, whole[0].note, whole[0].developer_id) == ("nanousd", 99, "ada", "tight", None)


async def test_verify_finds_a_balance_that_somebody_touched(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000)
    await bank.settle(await bank.hold(payer, 200), 100)
    await bank.hold(payer, 30)
    assert await budgets.verify(ADMIN) == []
    async with bank.database.begin() as connection:
        statement = text("update budget_balances set spent_nanousd = 1, held_tokens = 0 where subject_id = :id")
        await connection.execute(statement, {"id": payer.developer_id})
    (found,) = await budgets.verify(ADMIN)
    assert (found.subject, found.subject_id, found.spent, found.held) == ("developer", payer.developer_id, (1, 100), (30, 30))


async def test_verify_finds_a_balance_that_is_gone(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000)
    await bank.settle(await bank.hold(payer, 200), 100)
    async with bank.database.begin() as connection:
        await connection.execute(text("delete from budget_balances where subject_id = :id"), {"id": payer.developer_id})
    (found,) = await budgets.verify(ADMIN)
    assert (found.subject, found.subject_id, found.spent) == ("developer", payer.developer_id, (0, 100))


async def test_reconcile_closes_all_or_those_named_at_a_price_or_at_nothing(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000, "ada")
    holds = [await bank.hold(payer, 100) for _ in range(3)]
    for hold in holds:
        await bank.ledger.mark_unreconciled(hold, "cut")
    assert await budgets.reconcile(ADMIN, "ada", nanousd=60, hold_ids=[holds[0].id], note="the bill") == 1
    assert await bank.balance(payer.developer_id) == (260, 0)
    with pytest.raises(NotFound, match="no unreconciled hold"):
        await budgets.reconcile(ADMIN, "ada", nanousd=60, hold_ids=[holds[0].id], note=None)
    assert await budgets.reconcile(ADMIN, "ada", nanousd=None, hold_ids=None, note=None) == 2
    assert await budgets.reconcile(ADMIN, "ada", nanousd=None, hold_ids=None, note=None) == 0
    assert await bank.balance(payer.developer_id) == (60, 0)
    await bank.recount()


async def test_limits_stand_for_the_months_that_come(bank: Bank, budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await bank.payer(1000, "ada")
    await budgets.set_limit(ADMIN, "ada", 50)
    await budgets.top_up(ADMIN, "ada", 7, note=None)
    await budgets.set_team_limits(ADMIN, "default", {"tokens": 10, "nanousd": None})
    month_after = bank.calendar.month_of(clock.now()).end
    monkeypatch.setattr(clock, "now", lambda: month_after)
    later = (await budgets.get(ADMIN, "ada")).budget
    assert (later.limit, later.added) == (50, 0)
    with pytest.raises(BudgetExceeded, match="10 tokens left"):
        await bank.hold(payer, 1, tokens=11)


async def test_a_limit_stands_in_a_month_that_a_server_with_a_fast_clock_has_opened(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await bank.payer(1000)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 4, 1, tzinfo=UTC))
    await bank.hold(payer, 100)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC))
    await bank.limits.set(account(payer), "nanousd", 150, actor="admin")
    await bank.limits.set(team(payer), "tokens", 15, actor="admin")
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 4, 1, 0, 1, tzinfo=UTC))
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(payer, 51, tokens=1)
    assert refused.value.left == 50
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(payer, 1, tokens=6)
    assert refused.value.left == 5


async def test_a_month_is_opened_with_the_limit_that_a_change_under_way_sets(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await bank.payer(1000)
    await bank.hold(payer, 1)
    end = bank.calendar.month_of(clock.now()).end
    async with bank.database.begin() as connection:
        await lock_limits(connection, payer.team_id)
        await set_standing(connection, payer.team_id, "nanousd", 80)
        monkeypatch.setattr(clock, "now", lambda: end)
        waiting = asyncio.create_task(bank.hold(payer, 100))
        await until_waiting(bank, 1)
    with pytest.raises(BudgetExceeded):
        await waiting


async def test_the_teams_tokens_are_so_many_a_day_over_the_whole_month(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.budget.limits import BudgetLimits
    from app.settings import BudgetSettings

    monkeypatch.setattr(clock, "now", lambda: datetime(2028, 2, 11, tzinfo=UTC))
    limits = BudgetLimits(bank.database, bank.accounts, bank.calendar, BudgetSettings(team_tokens_a_day=100))
    subject = Account("team", bank.team_id, bank.team_id)
    await limits.open_one(subject, clock.now())
    budget = (await BalanceReader(bank.database, bank.calendar, announced_alerts).read_budgets([subject]))[bank.team_id]
    assert budget is not None
    assert (budget.limit, budget.limit_tokens, budget.remaining) == (None, 2900, None)


async def test_amounts_that_make_no_sense_are_refused(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000, "ada")
    for amount in (-1, limiting.MAX_AMOUNT + 1):
        with pytest.raises(InvalidInput, match="monthly_limit_usd"):
            await budgets.set_limit(ADMIN, "ada", amount)
    for amount in (0, -1, limiting.MAX_AMOUNT + 1):
        with pytest.raises(InvalidInput, match="amount_usd"):
            await budgets.top_up(ADMIN, "ada", amount, note=None)
    with pytest.raises(InvalidInput, match="monthly_limit_tokens"):
        await bank.limits.set(team(payer), "tokens", -1, actor="admin")
    await budgets.top_up(ADMIN, "ada", limiting.MAX_AMOUNT, note=None)
    with pytest.raises(InvalidInput, match="top-ups would be above"):
        await budgets.top_up(ADMIN, "ada", 1, note=None)
    with pytest.raises(NotFound):
        await budgets.get(ADMIN, "nobody")
    with pytest.raises(NotFound):
        await budgets.set_team_limits(ADMIN, "nobody", {"tokens": 1})


OPERATIONS: dict[str, Callable[[Budgets, Requester], Awaitable[object]]] = {
    "get": lambda budgets, asked: budgets.get(asked, "ada"),
    "list_page": lambda budgets, asked: budgets.list_page(asked, PageWanted(10, "name")),
    "set_limit": lambda budgets, asked: budgets.set_limit(asked, "ada", 1),
    "set_team_limits": lambda budgets, asked: budgets.set_team_limits(asked, "default", {"tokens": 1}),
    "top_up": lambda budgets, asked: budgets.top_up(asked, "ada", 1, note=None),
    "list_movements": lambda budgets, asked: budgets.list_movements(asked, "ada", after=None, limit=1),
    "export_movements": lambda budgets, asked: budgets.export_movements(asked, "ada"),
    "reconcile": lambda budgets, asked: budgets.reconcile(asked, "ada", nanousd=None, hold_ids=None, note=None),
    "correct": lambda budgets, asked: budgets.correct(asked, "ada", 1, nanousd=1, note="x"),
    "verify": lambda budgets, asked: budgets.verify(asked),
}


READING = {"get", "list_page", "list_movements", "export_movements"}
"""Operations for those who oversee their team, too."""


@pytest.mark.parametrize(("name", "operation"), OPERATIONS.items(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("role", ["developer", "lead", "auditor"])
async def test_a_lead_and_an_auditor_see_their_teams_budgets_and_only_an_admin_sets_one(
    bank: Bank, budgets: Budgets, name: str, operation: Callable[[Budgets, Requester], Awaitable[object]], role: DeveloperRole
) -> None:
    payer = await bank.payer(1000, "ada")
    asked = Requester(payer.team_id, "default", payer.developer_id, "ada", uuid4(), role=role)
    if name in READING and role != "developer":
        assert await operation(budgets, asked) is not None
    else:
        with pytest.raises(NotPermitted, match="admin"):
            await operation(budgets, asked)
    assert (await budgets.get(ADMIN, "ada")).budget.limit == 1000


async def test_a_page_of_movements_names_the_next_one(bank: Bank, budgets: Budgets) -> None:
    payer = await bank.payer(1000, "ada")
    for _ in range(3):
        await bank.settle(await bank.hold(payer, 10), 10)
    seen, before = [], None
    for _ in range(10):
        page = await budgets.list_movements(ADMIN, "ada", after=before, limit=2)
        seen += [each.id for each in page.entries]
        if page.next is None:
            break
        before = int(page.next)
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) >= 3


async def test_a_change_names_its_author(bank: Bank, budgets: Budgets) -> None:
    await bank.payer(1000, "ada")
    await budgets.set_limit(ADMIN, "ada", 50, note="tight")
    page = await budgets.list_movements(ADMIN, "ada", after=None, limit=1)
    assert [(each.actor, each.note) for each in page.entries] == [("admin", "tight")]
