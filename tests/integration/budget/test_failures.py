"""PostgreSQL away or slow, values it can't take, processes that die, callers that leave: nothing is overspent, and no charge is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from app import supervision
from app.budget import hold_sweeper as keeping
from app.budget.hold_sweeper import HoldSweeper
from app.budget.holds import Attempt, Estimate, Settlement
from app.budget.ledger import UNWRITABLE
from app.budget.prices import Price, TokenBounds, TokenUsage
from app.errors import BudgetExceeded, Conflict, DatabaseUnavailable, InvalidInput
from app.storage.postgres_url import postgres_url
from tests.integration.budget.conftest import Bank, team


class Away:
    """Makes the ledger's connections fail, before or after the statement was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bank: Bank) -> None:
        self._monkeypatch, self._bank = monkeypatch, bank

    @contextlib.contextmanager
    def for_(self, which: str, *, done: bool) -> Iterator[None]:
        direct = getattr(self._bank.ledger, which)
        real = direct.value

        async def value(*arguments: object) -> object:
            if done:
                await real(*arguments)
            raise DatabaseUnavailable("away")

        with self._monkeypatch.context() as patch:
            patch.setattr(direct, "value", value)
            yield


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, bank: Bank) -> Away:
    return Away(monkeypatch, bank)


def keeper_of(bank: Bank) -> HoldSweeper:
    return HoldSweeper(bank.database, bank.ledger, process_id=bank.ledger._process_id, silent_seconds=30)


@contextlib.asynccontextmanager
async def locked(url: str, bank: Bank) -> object:  # type: ignore[misc]
    """Somebody sits on the balances: PostgreSQL answers nothing."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute("lock table budget_balances, budget_holds in access exclusive mode")
            yield
    finally:
        await connection.close()


async def test_a_settlement_that_postgresql_could_not_take_is_written_later(bank: Bank, away: Away) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    with away.for_("_endings", done=False):
        await bank.settle(hold, 150)
        assert await bank.ledger.catch_up() == 1
    assert await bank.balance(payer.developer_id) == (0, 400)
    assert await bank.ledger.catch_up() == 0
    assert await bank.balance(payer.developer_id) == (150, 0)
    await bank.recount()


async def test_a_settlement_whose_answer_was_lost_counts_once(bank: Bank, away: Away) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    with away.for_("_endings", done=True):
        await bank.settle(hold, 150)
    assert await bank.ledger.catch_up() == 0
    assert await bank.balance(payer.developer_id) == (150, 0)
    await bank.recount()


async def test_of_the_ends_that_wait_the_first_final_one_stands(bank: Bank, away: Away) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    with away.for_("_endings", done=False):
        await bank.ledger.mark_unreconciled(hold, "cut")
        await bank.settle(hold, 150)
        await bank.ledger.release(hold)
    await bank.ledger.close()
    assert await bank.balance(payer.developer_id) == (150, 0)


async def test_a_hold_whose_answer_was_lost_is_given_back_and_others_stay(bank: Bank, away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await bank.payer(1000)
    kept = await bank.hold(payer, 100)
    with away.for_("_holds", done=True), pytest.raises(DatabaseUnavailable):
        await bank.hold(payer, 400)
    assert await bank.balance(payer.developer_id) == (0, 500)
    keeper = keeper_of(bank)
    monkeypatch.setattr(keeper, "_stray_seconds", 0)
    await keeper.open()
    assert await bank.ledger.release_strays(await keeper._own_open_holds()) == 1
    await bank.ledger.close()
    assert await bank.balance(payer.developer_id) == (0, 100)
    await bank.settle(kept, 100)
    await bank.recount()


async def test_a_young_hold_is_no_stray(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.hold(payer, 100)
    assert await keeper_of(bank)._own_open_holds() == []


async def test_a_hold_that_takes_too_long_is_refused_loudly_and_not_kept(
    bank: Bank, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await bank.payer(1000)
    await bank.settle(await bank.hold(payer, 1), 1)
    monkeypatch.setattr(bank.ledger, "timeout_seconds", 0.2)
    async with locked(database_url, bank):
        with pytest.raises(DatabaseUnavailable, match="Nothing was sent to a provider"):
            await bank.hold(payer, 400)
    await bank.ledger.close()  # the statement went through once the lock was gone, and was given back
    assert await bank.balance(payer.developer_id) == (1, 0)


async def test_without_postgresql_a_hold_fails(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await bank.payer(1000)
    direct = bank.ledger._holds
    await direct.close()
    monkeypatch.setattr(direct, "_url", postgres_url("postgresql://127.0.0.1:9/none"))
    with pytest.raises(DatabaseUnavailable):
        await bank.hold(payer, 1)


async def test_a_lost_connection_is_made_again(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.hold(payer, 1)
    async with bank.database.begin() as connection:
        await connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ledger' and datname = current_database()"
            )
        )
    with contextlib.suppress(DatabaseUnavailable):
        await bank.hold(payer, 1)
    await bank.hold(payer, 1)


async def test_a_value_that_postgresql_cannot_take_harms_no_other(bank: Bank) -> None:
    payer = await bank.payer(10_000)
    bad, good = await bank.hold(payer, 100), await bank.hold(payer, 200)
    broken = Settlement(TokenUsage(input=1), 50, "usage", model="gpt\x00")
    await asyncio.gather(bank.ledger.settle(bad, broken), bank.settle(good, 20))
    assert await bank.balance(payer.developer_id) == (120, 0)
    async with bank.database.begin() as connection:
        notes = (await connection.scalars(text("select note from budget_movements where kind = 'unreconciled'"))).all()
    assert notes == [UNWRITABLE]
    asked = await asyncio.gather(
        bank.ledger.hold(payer, Attempt("r\x00", 1, "fake", "fake-1"), Estimate(TokenBounds(1, 0), 10)),
        bank.hold(payer, 30),
        return_exceptions=True,
    )
    assert isinstance(asked[0], asyncpg.PostgresError)
    assert await bank.balance(payer.developer_id) == (120, 30)
    await bank.recount()


async def test_what_cannot_even_be_left_unreconciled_stays_held(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 100)
    await bank.ledger.mark_unreconciled(hold, "\x00")
    assert await bank.balance(payer.developer_id) == (0, 100)


@pytest.mark.parametrize("nanousd", [-1, 2**63, 10**40])
async def test_an_absurd_estimate_is_refused_before_it_is_asked(bank: Bank, nanousd: int) -> None:
    with pytest.raises(InvalidInput):
        await bank.hold(await bank.payer(1000), nanousd)


async def test_two_prices_for_one_attempt_cannot_slip_a_dear_one_past_the_limit(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.hold(payer, 0)
    asked = await asyncio.gather(bank.hold(payer, 5000, request="r"), bank.hold(payer, 1, request="r"), return_exceptions=True)
    assert isinstance(asked[0], BudgetExceeded)
    assert await bank.balance(payer.developer_id) == (0, 1)
    asked = await asyncio.gather(bank.hold(payer, 2, request="s"), bank.hold(payer, 5000, request="s"), return_exceptions=True)
    assert isinstance(asked[1], Conflict)
    assert await bank.balance(payer.developer_id) == (0, 3)


async def test_the_holds_of_a_silent_process_are_swept_and_settle_when_it_wakes(bank: Bank) -> None:
    payer = await bank.payer(1000)
    keeper = keeper_of(bank)
    await keeper.open()
    hold = await bank.hold(payer, 400)
    assert await keeper.sweep() == 0
    async with bank.database.begin() as connection:
        await connection.execute(text("update budget_processes set seen_at = now() - interval '31 seconds'"))
    assert await keeper.sweep() == 1
    assert await bank.balance(payer.developer_id) == (400, 0)
    await bank.settle(hold, 90)  # it was only slow
    assert await bank.balance(payer.developer_id) == (90, 0)
    await bank.recount()


async def test_more_dead_holds_than_one_sweep_takes_are_all_swept(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SWEEP_BATCH", 3)
    payer = await bank.payer(1000)
    for _ in range(7):
        await bank.hold(payer, 1)
    assert await HoldSweeper(bank.database, bank.ledger, process_id=uuid4(), silent_seconds=30).sweep() == 7


async def test_the_keeper_beats_catches_up_and_sweeps_and_outlives_an_outage(
    bank: Bank, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    keeper = keeper_of(bank)
    keeper._beat_seconds = 0.01
    await keeper.open()
    with away.for_("_endings", done=False):
        await bank.settle(hold, 150)
        real = bank.database.begin
        outages = [DatabaseUnavailable("away"), RuntimeError("a bug")]

        def begin() -> object:
            if outages:
                raise outages.pop()
            return real()

        monkeypatch.setattr(bank.database, "begin", begin)
        running = asyncio.create_task(supervision.run(*keeper.loops()))
        while outages:
            await asyncio.sleep(0.01)
    while await bank.balance(payer.developer_id) != (150, 0):
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await keeper.close()
    async with bank.database.begin() as connection:
        assert (await connection.scalars(text("select id from budget_processes"))).all() == []


async def test_who_leaves_while_settling_is_charged_all_the_same(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    leaving = asyncio.create_task(bank.settle(hold, 150))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await bank.ledger.close()
    assert await bank.balance(payer.developer_id) == (150, 0)


PRICE = Price(input=0, output=1_000_000)  # one nano-dollar a token


async def test_near_the_limit_the_call_shrinks_to_what_is_affordable(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.limits.set(team(payer), "tokens", 600, actor="admin")
    whole = Estimate(TokenBounds(100, 5000), 5000)
    attempt = Attempt("r", 1, "fake", "fake-1")
    hold, covered = await bank.ledger.hold_affordable(payer, attempt, whole, price=PRICE, min_tokens=300)
    assert (covered.bounds.max_tokens, hold.nanousd, hold.tokens) == (500, 500, 600)
    with pytest.raises(BudgetExceeded):
        await bank.ledger.hold_affordable(payer, Attempt("s", 1, "fake", "fake-1"), whole, price=PRICE, min_tokens=300)


async def test_a_call_that_fits_is_not_shrunk_and_one_that_is_raced_is_refused_in_the_end(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer = await bank.payer(10_000)
    whole = Estimate(TokenBounds(100, 5000), 5000)
    hold, covered = await bank.ledger.hold_affordable(payer, Attempt("r", 1, "fake", "fake-1"), whole, price=PRICE, min_tokens=1)
    assert covered is whole
    await bank.ledger.release(hold)
    asked: list[Estimate] = []

    async def raced(payer: object, attempt: object, estimate: Estimate) -> None:
        asked.append(estimate)
        left = estimate.nanousd - 10
        raise BudgetExceeded(
            "no", unit="nanousd", left=left, asked=estimate.nanousd, resets_at=bank.calendar.month_of(hold.period_start).end
        )

    monkeypatch.setattr(bank.ledger, "hold", raced)
    with pytest.raises(BudgetExceeded):
        await bank.ledger.hold_affordable(payer, Attempt("s", 1, "fake", "fake-1"), whole, price=PRICE, min_tokens=1)
    assert [each.bounds.max_tokens for each in asked] == [5000, 4990, 4980, 4970]
