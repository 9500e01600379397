"""The ledger's promises, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.errors import BudgetExceeded, Conflict
from tests.integration.budget.conftest import Bank, account, team


async def test_a_hold_is_reserved_and_settled_at_its_real_price(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    assert await bank.balance(payer.developer_id) == (0, 400)
    assert await bank.balance(payer.team_id) == (0, 400)
    await bank.settle(hold, 150)
    assert await bank.balance(payer.developer_id) == (150, 0)
    assert await bank.balance(payer.team_id) == (150, 0)
    await bank.recount()


async def test_an_end_comes_once_whatever_is_asked_again(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 400)
    await asyncio.gather(*(bank.settle(hold, 100) for _ in range(5)), *(bank.ledger.release(hold) for _ in range(5)))
    await bank.ledger.mark_unreconciled(hold, "late")
    assert await bank.balance(payer.developer_id) in {(100, 0), (0, 0)}
    assert sum((await bank.states()).values()) == 1
    await bank.recount()


async def test_a_released_hold_costs_nothing(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.ledger.release(await bank.hold(payer, 400))
    assert await bank.balance(payer.developer_id) == (0, 0)
    assert await bank.states() == {"released": 1}
    await bank.recount()


async def test_what_is_not_affordable_is_refused_with_what_is_left(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.hold(payer, 700)
    with pytest.raises(BudgetExceeded, match="The period resets at") as refused:
        await bank.hold(payer, 301)
    assert (refused.value.unit, refused.value.left, refused.value.asked) == ("nanousd", 300, 301)
    await bank.hold(payer, 300)
    await bank.recount()


async def test_the_team_pays_with_its_developer_or_neither_does(bank: Bank) -> None:
    rich, other = await bank.payer(10_000), await bank.payer(10_000)
    await bank.limits.set(team(rich), "nanousd", 1000, actor="admin")
    await bank.hold(rich, 800)
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(other, 201)
    assert refused.value.left == 200
    assert await bank.balance(other.developer_id) == (0, 0)
    await bank.recount()


async def test_tokens_are_a_limit_of_their_own(bank: Bank) -> None:
    payer = await bank.payer(10**12)
    await bank.limits.set(team(payer), "tokens", 100, actor="admin")
    await bank.hold(payer, 1, tokens=90)
    with pytest.raises(BudgetExceeded, match="10 tokens left") as refused:
        await bank.hold(payer, 1, tokens=11)
    assert refused.value.unit == "tokens"


async def test_what_costs_more_than_its_hold_is_charged_at_the_hold_and_marked(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 900)
    await bank.settle(hold, 1500)
    assert await bank.balance(payer.developer_id) == (900, 0)
    async with bank.database.begin() as connection:
        row = (await connection.execute(text("select mark, nanousd, held_nanousd from budget_movements"))).one()
    assert tuple(row) == ("overrun", 900, 900)
    with pytest.raises(BudgetExceeded):
        await bank.hold(payer, 101)
    await bank.recount()


async def test_an_unknown_outcome_stays_charged_until_it_is_closed(bank: Bank) -> None:
    payer = await bank.payer(1000)
    one, two = await bank.hold(payer, 300), await bank.hold(payer, 200)
    for hold in (one, two):
        await bank.ledger.mark_unreconciled(hold, "cut")
    assert await bank.balance(payer.developer_id) == (500, 0)
    await bank.recount()
    await bank.settle(one, 100)
    await bank.ledger.release(two)
    assert await bank.balance(payer.developer_id) == (100, 0)
    await bank.recount()
    async with bank.database.begin() as connection:
        kinds = (await connection.scalars(text("select kind from budget_movements order by id"))).all()
    assert kinds == ["unreconciled", "unreconciled", "reconcile", "reconcile"]


async def test_no_two_calls_share_a_hold(bank: Bank) -> None:
    payer = await bank.payer(1000)
    asked = await asyncio.gather(*(bank.hold(payer, 100, request="r") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in asked) == 5
    assert await bank.balance(payer.developer_id) == (0, 100)
    await bank.hold(payer, 100, request="r", number=2)


async def test_a_lower_limit_stops_what_comes_and_charges_nothing_back(bank: Bank) -> None:
    payer = await bank.payer(1000)
    hold = await bank.hold(payer, 600)
    await bank.limits.set(account(payer), "nanousd", 500, actor="admin")
    with pytest.raises(BudgetExceeded) as refused:
        await bank.hold(payer, 1)
    assert refused.value.left == 0
    await bank.settle(hold, 600)
    assert await bank.balance(payer.developer_id) == (600, 0)
    await bank.limits.top_up(account(payer), 200, actor="admin", note="the release")
    await bank.hold(payer, 100)
    await bank.recount()


async def test_near_the_limit_a_small_one_fits_where_a_large_one_did_not(bank: Bank) -> None:
    payer = await bank.payer(1000)
    await bank.ledger.release(await bank.hold(payer, 1))  # opens the period, so that the rest are one batch
    asked = await asyncio.gather(*(bank.hold(payer, amount) for amount in (600, 600, 300, 200, 100)), return_exceptions=True)
    assert [isinstance(each, BudgetExceeded) for each in asked] == [False, True, False, True, False]
    await bank.recount()


@pytest.mark.parametrize("affordable", [0, 1, 7, 50])
async def test_of_two_hundred_at_once_exactly_the_affordable_are_granted(bank: Bank, affordable: int) -> None:
    payer = await bank.payer(affordable * 10)
    asked = await asyncio.gather(*(bank.hold(payer, 10) for _ in range(200)), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in asked) == affordable
    await bank.recount()


async def test_who_was_cancelled_while_asking_leaves_no_hold(bank: Bank) -> None:
    payer = await bank.payer(10_000)
    tasks = [asyncio.create_task(bank.hold(payer, 10)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await bank.ledger.close()
    assert await bank.balance(payer.developer_id) == (0, 250)
    await bank.recount()


async def test_who_is_cancelled_while_settling_is_settled(bank: Bank) -> None:
    payer = await bank.payer(10_000)
    hold = await bank.hold(payer, 10)
    settling = asyncio.create_task(bank.settle(hold, 5))
    await asyncio.sleep(0)
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    await bank.ledger.close()
    assert await bank.balance(payer.developer_id) == (5, 0)


async def test_a_free_call_is_granted_on_an_empty_budget(bank: Bank) -> None:
    payer = await bank.payer(0)
    await bank.settle(await bank.hold(payer, 0), 0)
    with pytest.raises(BudgetExceeded):
        await bank.hold(payer, 1)


async def test_the_price_and_the_tokens_stand_in_the_movement(bank: Bank) -> None:
    from app.budget.prices import Price

    payer = await bank.payer(10**9)
    hold = await bank.ledger.hold(payer, Attempt("r", 1, "groq", "llama"), Estimate(TokenBounds(100, 50), 100_000))
    price = Price(input=590_000_000, output=790_000_000)
    usage = TokenUsage(input=80, output=20, cached_input=30)
    await bank.ledger.settle(hold, Settlement(usage, price.cost(usage), "usage", price=price, provider="groq", model="llama-3"))
    async with bank.database.begin() as connection:
        row = (await connection.execute(text("select * from budget_movements"))).one()
    assert (row.provider, row.model, row.input_tokens, row.output_tokens, row.cached_input_tokens) == ("groq", "llama-3", 80, 20, 30)
    assert row.price == {"input": 590_000_000, "output": 790_000_000, "cached_input": None, "cache_write": None, "cache_write_1h": None}
    assert row.nanousd == price.cost(usage) == 63_000


@pytest.mark.parametrize(("prompt", "tier"), [(300, {}), (301, {"input": 4_000, "output": 9_000, "above_tokens": 300})])
async def test_a_movement_tells_which_tier_it_was_charged_at(bank: Bank, prompt: int, tier: dict[str, int]) -> None:
    from app.budget.prices import Price, PriceTier, tiered

    payer = await bank.payer(10**9)
    hold = await bank.ledger.hold(payer, Attempt("r", 1, "gemini", "pro"), Estimate(TokenBounds(1000, 50), 10_000))
    price = tiered(Price(2_000, 3_000), [PriceTier(300, Price(4_000, 9_000))])
    usage = TokenUsage(prompt, 20)
    await bank.ledger.settle(hold, Settlement(usage, price.cost(usage), "usage", price=price))
    async with bank.database.begin() as connection:
        row = (await connection.execute(text("select * from budget_movements"))).one()
    assert row.price == {"input": 2_000, "output": 3_000, "cached_input": None, "cache_write": None, "cache_write_1h": None} | tier


async def test_an_unknown_payer_is_refused(bank: Bank) -> None:
    from app.errors import NotFound

    with pytest.raises(NotFound):
        await bank.hold(Payer(uuid4(), bank.team_id), 1)


@pytest.mark.parametrize("of_a_key", [False, True], ids=["of a developer", "of a key that pays for two"])
async def test_a_refusal_is_final_only_once_what_is_given_back_is_written(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, of_a_key: bool
) -> None:
    """An agent asks again as soon as it has its answer: what the answer didn't cost is its own by then."""
    payer = other = await bank.payer(100)
    if of_a_key:
        key = uuid4()
        payer, other = replace(await bank.payer(1000), key_id=key), replace(await bank.payer(1000), key_id=key)
        await bank.limit_key(key, 100)
        await bank.limits.open_period(other, clock.now())
    first = await bank.hold(payer, 90)
    endings, holds, refused = bank.ledger._endings, bank.ledger._holds, asyncio.Event()
    write, ask = endings.value, holds.value

    async def write_late(*arguments: Any) -> Any:
        await refused.wait()
        return await write(*arguments)

    async def ask_first(*arguments: Any) -> Any:
        try:
            return await ask(*arguments)
        finally:
            refused.set()

    monkeypatch.setattr(endings, "value", write_late)
    monkeypatch.setattr(holds, "value", ask_first)
    settling = asyncio.create_task(bank.settle(first, 10))
    await asyncio.sleep(0)  # it has been submitted
    second = await bank.hold(other, 90)
    await settling
    assert await bank.balance(payer.key_id or payer.developer_id) == (10, 90)
    await bank.settle(second, 90)
    with pytest.raises(BudgetExceeded):
        await bank.hold(other, 1)
    assert bank.ledger._last_end == {}
