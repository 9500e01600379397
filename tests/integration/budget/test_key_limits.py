"""A key's own limit: counted in the same hold as its developer's and its team's, from whenever it is set."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from app import clock
from app.accounts.requester import Requester
from app.budget.balances import BalanceReader
from app.budget.budgets import Budgets
from app.budget.corrections import Corrections
from app.budget.holds import KeyMonth, Payer
from app.budget.key_limits import LOCK
from app.errors import BudgetExceeded, Conflict, InvalidInput, NotPermitted
from tests.integration.budget.conftest import Bank, until_waiting

ADMIN = Requester(uuid4(), "default", role="admin")


@pytest.fixture
async def keyed(bank: Bank) -> Payer:
    return replace(await bank.payer(1_000_000), key_id=uuid4())


async def limit(bank: Bank, payer: Payer, nanousd: int | None) -> None:
    assert payer.key_id is not None
    await bank.limit_key(payer.key_id, nanousd)


async def month(bank: Bank, payer: Payer) -> KeyMonth:
    assert payer.key_id is not None
    return (await bank.limits.keys.read([payer.key_id]))[payer.key_id]


def budgets(bank: Bank) -> Budgets:
    async def no_alerts(*_: object) -> list[object]:
        return []

    reader = BalanceReader(bank.database, bank.calendar, no_alerts)  # type: ignore[arg-type]
    return Budgets(bank.accounts, bank.limits, reader, bank.ledger, Corrections(bank.database))


async def test_a_key_is_refused_at_its_own_limit_while_others_of_its_developer_go_on(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 1000)
    settled = await bank.hold(keyed, 600)
    await bank.settle(settled, 500)
    await bank.hold(keyed, 400)
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(keyed, 101)
    assert (refused.value.left, refused.value.asked, refused.value.unit) == (100, 101, "nanousd")
    await bank.hold(keyed, 100)
    await bank.hold(replace(keyed, key_id=uuid4()), 5000)
    await bank.hold(replace(keyed, key_id=None), 5000)
    assert await month(bank, keyed) == KeyMonth(1000, 500, 500, bank.calendar.month_of(clock.now()).end)
    await bank.recount()


async def test_the_refusal_names_the_keys_limit_its_sums_and_who_can_raise_it(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 2_000_000)
    payer = replace(await bank.payer(10**10), key_id=keyed.key_id)
    await bank.settle(await bank.hold(payer, 1_500_000), 1_250_000)
    await bank.hold(payer, 500_000)
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(payer, 300_000)
    resets = bank.calendar.month_of(clock.now()).end
    assert refused.value.args[0] == (
        "This key's own limit is reached: of $0.002000 a month $0.001250 is spent and $0.000500 reserved for running calls, and this call"
        f" may cost up to $0.000300. It renews at {resets:%Y-%m-%d %H:%M} UTC. An admin can raise it (`cairn keys limit`), or make another key."
    )


async def test_the_developers_limit_is_named_where_it_is_the_smaller_one(bank: Bank) -> None:
    payer = replace(await bank.payer(100), key_id=uuid4())
    await limit(bank, payer, 150)
    with pytest.raises(BudgetExceeded, match=r"^The budget has"):
        await bank.hold(payer, 200)
    assert await bank.balance(payer.key_id or uuid4()) == (0, 0)


async def test_a_limit_counts_what_the_key_has_spent_and_holds_in_the_month_already(bank: Bank, keyed: Payer) -> None:
    other = replace(await bank.payer(1_000_000), key_id=keyed.key_id)  # an admin's key pays for another developer, too
    await bank.settle(await bank.hold(keyed, 700), 300)
    await bank.settle(await bank.hold(other, 70), 30)
    await bank.ledger.mark_unreconciled(await bank.hold(keyed, 40), "cut")
    running = await bank.hold(keyed, 200)
    assert (await month(bank, keyed)).spent is None, "nothing is counted without a limit"
    await limit(bank, keyed, 600)
    assert await month(bank, keyed) == KeyMonth(600, 370, 200, bank.calendar.month_of(clock.now()).end)
    with pytest.raises(BudgetExceeded):
        await bank.hold(keyed, 31)
    await bank.hold(keyed, 30)
    await bank.settle(running, 100)
    assert (await month(bank, keyed)).spent == 470
    await bank.recount()
    assert not await budgets(bank).verify(ADMIN)


async def test_a_limit_that_is_set_while_calls_run_counts_every_one_of_them(bank: Bank, keyed: Payer) -> None:
    async def call(nanousd: int) -> None:
        hold = await bank.hold(keyed, nanousd)
        await asyncio.sleep(0)
        await bank.settle(hold, nanousd // 2)

    async def change() -> None:
        for amount in (10_000, None, 9_000_000, 8_000_000):
            await limit(bank, keyed, amount)

    await bank.limits.open_period(keyed, clock.now())
    done = await asyncio.gather(*(call(100 + each) for each in range(300)), change(), return_exceptions=True)
    assert all(each is None or isinstance(each, BudgetExceeded) for each in done), done
    await bank.ledger.flush()
    spent, held = await bank.balance(keyed.developer_id)
    assert await month(bank, keyed) == KeyMonth(8_000_000, spent, held, bank.calendar.month_of(clock.now()).end)
    await bank.recount()


async def test_a_removed_limit_refuses_nothing_and_a_new_one_counts_all_of_the_month(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 100)
    await bank.settle(await bank.hold(keyed, 100), 100)
    await limit(bank, keyed, None)
    await bank.settle(await bank.hold(keyed, 900), 900)
    await limit(bank, keyed, 1100)
    assert (await month(bank, keyed)).spent == 1000
    with pytest.raises(BudgetExceeded):
        await bank.hold(keyed, 101)
    await bank.recount()


async def test_a_limit_renews_with_the_month(bank: Bank, keyed: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    await limit(bank, keyed, 100)
    last = await bank.hold(keyed, 100)
    now += timedelta(minutes=2)
    assert (await month(bank, keyed)).spent == 0
    await bank.hold(keyed, 60)
    await bank.settle(last, 80)  # into the month in which it was granted
    with pytest.raises(BudgetExceeded):
        await bank.hold(keyed, 41)
    assert await bank.balance(keyed.key_id or uuid4()) == (80, 60)
    await bank.recount()


async def test_a_key_without_a_limit_leaves_no_balance(bank: Bank, keyed: Payer) -> None:
    await bank.settle(await bank.hold(keyed, 100), 100)
    async with bank.database.begin() as connection:
        query = text("select count(*) from budget_balances where subject_id = :key")
        assert await connection.scalar(query, {"key": keyed.key_id}) == 0
    assert await month(bank, keyed) == KeyMonth(None, None, None, bank.calendar.month_of(clock.now()).end)


async def test_many_keys_at_once_share_a_statement_and_each_keeps_its_limit(bank: Bank) -> None:
    developer = await bank.payer(10**9)
    payers = [replace(developer, key_id=uuid4()) for _ in range(5)]
    for place, payer in enumerate(payers):
        await limit(bank, payer, 100 * place)
    asked = [bank.hold(payer, 50) for payer in payers for _ in range(12)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    granted = [sum(not isinstance(each, BaseException) for each in done[place * 12 : place * 12 + 12]) for place in range(5)]
    assert granted == [0, 2, 4, 6, 8]
    await bank.recount()


async def test_what_a_follower_may_pay_is_bounded_by_its_key_too(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 500)
    assert (await bank.ledger.headroom(keyed)).nanousd == 500
    await bank.hold(keyed, 200)
    assert (await bank.ledger.headroom(keyed)).nanousd == 300
    assert (await bank.ledger.headroom(replace(keyed, key_id=None))).nanousd == 999_800


async def test_a_correction_moves_the_keys_sum_and_may_not_pass_its_limit(bank: Bank, keyed: Payer) -> None:
    name = (await bank.accounts.names([keyed.developer_id]))[keyed.developer_id]
    await limit(bank, keyed, 500)
    await bank.settle(await bank.hold(keyed, 300), 200)
    of = budgets(bank)
    (charge,) = (await of.list_movements(ADMIN, name, after=None, limit=10)).entries
    with pytest.raises(Conflict, match=r"the key's limit of that month has .*`cairn keys limit`"):
        await of.correct(ADMIN, name, charge.id, nanousd=501, note="as billed")
    await of.correct(ADMIN, name, charge.id, nanousd=450, note="as billed")
    assert (await month(bank, keyed)).spent == 450
    await bank.recount()
    assert not await of.verify(ADMIN)


async def test_a_reconciliation_frees_the_keys_money(bank: Bank, keyed: Payer) -> None:
    name = (await bank.accounts.names([keyed.developer_id]))[keyed.developer_id]
    await limit(bank, keyed, 500)
    await bank.ledger.mark_unreconciled(await bank.hold(keyed, 500), "cut")
    assert (await month(bank, keyed)).spent == 500
    assert await budgets(bank).reconcile(ADMIN, name, nanousd=120, hold_ids=None, note=None) == 1
    assert (await month(bank, keyed)).spent == 120
    await bank.recount()


@pytest.mark.parametrize("wanted", [None, 501])
async def test_whoever_may_only_lower_a_limit_neither_raises_nor_removes_it(bank: Bank, keyed: Payer, wanted: int | None) -> None:
    key = keyed.key_id or uuid4()
    await bank.limit_key(key, 500, only_lower=True)  # there was none
    with pytest.raises(NotPermitted, match="only an admin raises or removes it"):
        await bank.limit_key(key, wanted, only_lower=True)
    await bank.limit_key(key, 400, only_lower=True)
    assert (await month(bank, keyed)).limit == 400


async def test_the_refusal_to_raise_a_limit_names_it_to_the_nano_dollar(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 2_500_000)
    with pytest.raises(NotPermitted, match=r"is \$0\.0025 a month"):
        await bank.limit_key(keyed.key_id or uuid4(), 10**9, only_lower=True)


async def test_an_amount_that_the_ledger_cannot_hold_is_refused(bank: Bank, keyed: Payer) -> None:
    with pytest.raises(InvalidInput, match="monthly_limit_usd is out of range"):
        await limit(bank, keyed, 2**62 + 1)


async def test_keys_appear_in_no_alert_and_no_team_figure(bank: Bank, keyed: Payer) -> None:
    await limit(bank, keyed, 500)
    await bank.settle(await bank.hold(keyed, 300), 200)
    await bank.ledger.flush()
    assert {each["subject"] for each in bank.told} == {"developer", "team"}
    async with bank.database.begin() as connection:
        query = text("select count(*) from budget_days where subject_id = :key")
        assert await connection.scalar(query, {"key": keyed.key_id}) == 0


async def test_a_limit_set_while_a_hold_waits_for_its_balance_counts_that_hold(bank: Bank, keyed: Payer) -> None:
    await bank.limits.open_period(keyed, clock.now())
    async with bank.database.begin() as connection:
        lock = text("select 1 from budget_balances where subject_id = :id for update")
        await connection.execute(lock, {"id": keyed.developer_id})
        waiting = asyncio.create_task(bank.hold(keyed, 100))
        await until_waiting(bank, 1)
        setting = asyncio.create_task(limit(bank, keyed, 100))
        await until_waiting(bank, 2)
    await waiting
    await setting
    assert (await month(bank, keyed)).held == 100
    await bank.recount()


async def test_a_hold_counts_nothing_also_the_first_of_a_month(bank: Bank, keyed: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is granted while nobody can read the movements, which a count would be made of."""
    made = replace(keyed, key_id=uuid4())
    async with bank.database.begin() as connection:
        await bank.limits.keys.set_initial(connection, made.key_id or uuid4(), 100)  # a new key
    await limit(bank, keyed, 100)
    now = bank.calendar.month_of(clock.now()).end + timedelta(minutes=1)
    async with bank.database.begin() as connection:
        await connection.execute(text("lock table budget_movements in access exclusive mode"))
        await bank.hold(made, 60)
        await bank.hold(keyed, 60)
        monkeypatch.setattr(clock, "now", lambda: now)
        await bank.hold(made, 70)
        await bank.hold(keyed, 70)
        with pytest.raises(BudgetExceeded):
            await bank.hold(keyed, 31)
    await bank.recount()


@pytest.mark.parametrize("wanted", [400, 600, None])
async def test_a_limit_that_stands_is_changed_while_others_hold_and_settle(bank: Bank, keyed: Payer, wanted: int | None) -> None:
    await limit(bank, keyed, 500)
    async with bank.database.begin() as connection:
        await connection.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))  # as a hold has it while it is written
        await limit(bank, keyed, wanted)
    assert (await month(bank, keyed)).limit == wanted


async def test_a_limit_that_is_removed_between_the_count_and_the_change_is_counted_then(bank: Bank, keyed: Payer) -> None:
    key = keyed.key_id or uuid4()
    await limit(bank, keyed, 500)
    counted = await bank.limits.keys.count(key)
    assert counted is None, "it has a limit"
    await limit(bank, keyed, None)
    async with bank.database.begin() as connection:
        await connection.execute(text("delete from budget_balances where subject_id = :key"), {"key": key})
    await bank.settle(await bank.hold(keyed, 700), 300)
    await bank.hold(keyed, 90)
    async with bank.database.begin() as connection:
        await bank.limits.keys.set(connection, key, 1000, counted=counted, only_lower=False)
    assert await month(bank, keyed) == KeyMonth(1000, 300, 90, bank.calendar.month_of(clock.now()).end)
    await bank.recount()


@pytest.mark.parametrize("days", [-40, -3, 3, 40])
async def test_what_a_server_with_a_wrong_clock_spent_is_counted(
    bank: Bank, keyed: Payer, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """In the months to come, when the limit is set; in one that is over, when the key holds in it."""
    right = datetime(2026, 3, 31 if days > 0 else 1, 12, tzinfo=UTC)
    wrong = right + timedelta(days=days)
    monkeypatch.setattr(clock, "now", lambda: wrong)
    await bank.settle(await bank.hold(keyed, 70), 40)
    await bank.hold(keyed, 20)
    monkeypatch.setattr(clock, "now", lambda: right)
    await limit(bank, keyed, 100)
    await bank.hold(keyed, 100)
    monkeypatch.setattr(clock, "now", lambda: wrong)
    with pytest.raises(BudgetExceeded):
        await bank.hold(keyed, 41)
    await bank.hold(keyed, 40)
    await bank.recount()


async def test_a_month_is_opened_with_the_limit_that_a_change_under_way_sets(
    bank: Bank, keyed: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(bank, keyed, 500)
    now = bank.calendar.month_of(clock.now()).end + timedelta(seconds=1)
    async with bank.database.begin() as connection:
        await bank.limits.keys.set(connection, keyed.key_id or uuid4(), 80, counted=None, only_lower=True)
        monkeypatch.setattr(clock, "now", lambda: now)
        waiting = asyncio.create_task(bank.hold(keyed, 100))
        await until_waiting(bank, 1)
    with pytest.raises(BudgetExceeded):
        await waiting
    await bank.hold(keyed, 80)
