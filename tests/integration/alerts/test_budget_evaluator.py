"""Alerts of budgets: each once a period and subject, whichever process sees it; delivered until they are taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from sqlalchemy import text

from app import clock, supervision
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.notifications import Notifications
from app.alerts.rules import SHIPPED, Rules, load
from app.budget.alerting import BudgetFacts
from app.budget.holds import Settlement
from app.budget.prices import TokenUsage
from app.errors import DatabaseUnavailable
from app.queue import outbox as posting
from app.queue.outbox import Outbox
from app.settings import BudgetSettings
from app.storage.database import Database
from tests.integration.budget.conftest import Bank, open_bank, team
from tests.waiting import patience

LATE, EARLY = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC)
DAILY = 1000
AWAY = "http://127.0.0.1:9/hook"


@pytest.fixture(autouse=True)
def late_in_the_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)


class Watched:
    """A bank whose ledger tells an evaluator of rules about budgets; `server` makes another, of the same facts or its own."""

    bank: Bank
    facts: BudgetFacts
    alerts: BudgetEvaluator

    def watch(self, balances: Any, ended: Any) -> None:
        self.facts.record(balances, ended)

    def server(
        self, *, rules: Rules | None = None, url: str | None = AWAY, daily: int | None = None, facts: BudgetFacts | None = None
    ) -> BudgetEvaluator:
        told, bank = Notifications(Outbox(self.bank.database, url)), self.bank
        facts, rules = facts or self.facts, rules or load(SHIPPED)
        return BudgetEvaluator(bank.database, facts, told, rules, names=bank.accounts.names, daily_tokens=daily)

    async def said(self) -> list[tuple[str, str]]:
        return sorted((each.subject, each.alert) for each in await self.alerts.evaluate())


@pytest.fixture
async def watched(database: Database, database_url: str) -> AsyncIterator[Watched]:
    made = Watched()
    async for bank in open_bank(database, database_url, BudgetSettings(team_tokens_a_day=None), made.watch):
        made.bank = bank
        made.facts = BudgetFacts(database, bank.calendar)
        made.alerts = made.server(daily=DAILY)
        yield made


async def spend(bank: Bank, payer: Any, nanousd: int, tokens: int = 10) -> None:
    await bank.settle(await bank.hold(payer, nanousd, tokens=tokens), nanousd, tokens)


async def test_each_share_is_said_once(watched: Watched) -> None:
    payer = await watched.bank.payer(1000)
    await spend(watched.bank, payer, 499)
    assert await watched.said() == []
    await spend(watched.bank, payer, 1)
    assert await watched.said() == [("developer", "50%")]
    await spend(watched.bank, payer, 1)
    assert await watched.said() == []
    await spend(watched.bank, payer, 399)
    assert await watched.said() == [("developer", "80%"), ("developer", "90%")]
    await spend(watched.bank, payer, 100)
    assert await watched.said() == [("developer", "100%")]


async def test_most_of_it_gone_with_more_than_a_week_left_is_said_too(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: EARLY)
    payer = await watched.bank.payer(1000)
    await spend(watched.bank, payer, 900)
    assert ("developer", "90%-early") in await watched.said()


async def test_a_new_month_says_it_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await watched.bank.payer(1000)
    await spend(watched.bank, payer, 600)
    assert await watched.said() == [("developer", "50%")]
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 4, 2, tzinfo=UTC))
    await spend(watched.bank, payer, 600)
    assert await watched.said() == [("developer", "50%")]


async def test_the_team_has_its_own_in_dollars_and_in_tokens(watched: Watched) -> None:
    payer = await watched.bank.payer(10_000)
    await watched.bank.limits.set(team(payer), "nanousd", 1000, actor="admin")
    await watched.bank.limits.set(team(payer), "tokens", 500, actor="admin")
    await spend(watched.bank, payer, 510, tokens=400)
    assert await watched.said() == [("team", "50%"), ("team", "tokens-50%"), ("team", "tokens-80%")]


async def test_a_day_above_the_daily_tokens_is_said_once(watched: Watched) -> None:
    payer = await watched.bank.payer(10_000)
    await spend(watched.bank, payer, 1, tokens=DAILY)
    assert await watched.said() == []
    await spend(watched.bank, payer, 1, tokens=1)
    assert await watched.said() == [("team", "day-2026-03-28")]
    await spend(watched.bank, payer, 1, tokens=1)
    assert await watched.said() == []


async def test_a_flood_of_charges_above_their_holds_is_stored_whole(watched: Watched, database: Database) -> None:
    count = 5000
    payer = await watched.bank.payer(10 * count)
    row = {"subject": "developer", "subject_id": str(payer.developer_id), "limit_nanousd": None, "limit_tokens": None}
    row |= {"period_start": LATE.isoformat(), "period_end": LATE.isoformat(), "spent_nanousd": 0, "spent_tokens": 0}
    ended = [{"id": str(uuid4()), "developer_id": str(payer.developer_id), "above": "overrun", "spent": 2} for _ in range(count)]
    watched.facts.record([row], ended)
    assert len(await watched.said()) == count
    async with database.begin() as connection:
        stored = await connection.scalar(text("select count(*) from budget_alerts where subject_id = :id"), {"id": payer.developer_id})
    assert stored == count


async def test_a_charge_above_its_hold_is_said_each_time(watched: Watched) -> None:
    payer = await watched.bank.payer(10_000)
    for _ in range(2):
        await watched.bank.settle(await watched.bank.hold(payer, 10), 20)
    found = await watched.said()
    assert len(found) == 2
    assert all(subject == "developer" and rule.startswith("overrun-") for subject, rule in found)


async def test_a_disputed_charge_is_said_by_its_hold(watched: Watched) -> None:
    payer = await watched.bank.payer(10_000)
    hold = await watched.bank.hold(payer, 10)
    await watched.bank.ledger.settle(hold, Settlement(TokenUsage(output=1), 10, "disputed", note="It reported more than was asked for."))
    assert await watched.said() == [("developer", f"disputed-{hold.id}")]


async def test_of_many_processes_that_see_the_same_one_tells(watched: Watched) -> None:
    payer = await watched.bank.payer(1000)
    await spend(watched.bank, payer, 600)
    servers = []
    for _ in range(6):
        facts = BudgetFacts(watched.bank.database, watched.bank.calendar)
        facts.record(list(watched.facts._moved.values()), [])
        servers.append(watched.server(facts=facts))
    found = [each for one in await asyncio.gather(*(server.evaluate() for server in servers)) for each in one]
    assert [each.alert for each in found] == ["50%"]
    async with watched.bank.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from notices")) == 1


@pytest.mark.parametrize("place", ["_names", "tokens_today"])
async def test_while_postgresql_is_away_nothing_that_moved_is_forgotten(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    payer = await watched.bank.payer(1000)
    await watched.bank.settle(await watched.bank.hold(payer, 600), 700)

    async def away(found: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(watched.alerts if place == "_names" else watched.facts, place, away)
        with pytest.raises(DatabaseUnavailable):
            await watched.alerts.evaluate()
        await spend(watched.bank, payer, 200)
        with pytest.raises(DatabaseUnavailable):
            await watched.alerts.evaluate()
    assert [rule.split("-")[0] for _, rule in await watched.said()] == ["50%", "80%", "overrun"]


async def test_rules_of_ones_own_are_told_instead_of_the_shipped_ones(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text('[mine]\nwhat = "x"\nbudget = "spent"\nshares = [25, 75]\n\n[quiet]\nwhat = "y"\nbudget = "overrun"\npost = false\n')
    watched.alerts = watched.server(rules=load(file))
    payer = await watched.bank.payer(1000)
    await watched.bank.settle(await watched.bank.hold(payer, 600), 700)
    found = await watched.said()
    assert [rule.split("-")[0] for _, rule in found] == ["25%", "overrun"]
    async with watched.bank.database.begin() as connection:
        assert (await connection.scalars(text("select body ->> 'rule' from notices"))).all() == ["25%"]


async def test_what_a_process_that_died_had_not_told_is_told_at_the_next_start(watched: Watched) -> None:
    payer = await watched.bank.payer(1000)
    await spend(watched.bank, payer, 1000)
    watched.facts.take()  # noted, and never judged
    running = asyncio.create_task(supervision.run(*watched.server().loops()))
    async with patience():
        while not (rules := await stored(watched.bank)):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(rules) == ["100%", "50%", "80%", "90%"]


async def stored(bank: Bank) -> list[str]:
    async with bank.database.begin() as connection:
        return list(await connection.scalars(text("select rule from budget_alerts")))


async def test_it_runs_by_itself_and_outlives_errors(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    payer = await watched.bank.payer(1000)
    errors = [DatabaseUnavailable("away"), RuntimeError("a bug")]
    real = watched.facts.tokens_today

    async def tokens_today(subjects: Any) -> Any:
        if errors:
            raise errors.pop()
        return await real(subjects)

    monkeypatch.setattr(watched.facts, "tokens_today", tokens_today)
    running = asyncio.create_task(supervision.run(*watched.alerts.loops()))
    spent = 0
    async with patience():
        while "50%" not in await stored(watched.bank):
            await spend(watched.bank, payer, 100 if (spent := spent + 100) <= 600 else 0)
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert errors == []


class Receiver:
    """Somebody's webhook. `answers`: its next statuses, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        status = self.answers.pop(0) if self.answers else 200
        if status < 300:
            self.got.append(await request.json())
        return web.Response(status=status)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    made, application = Receiver(), web.Application()
    application.router.add_post("/hook", made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield made, f"http://{host}:{port}/hook"
    await runner.cleanup()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "FIRST_PAUSE_SECONDS", 0)


async def test_an_alert_is_posted_until_it_is_taken_and_then_no_more(
    watched: Watched, receiver: tuple[Receiver, str], no_pause: None
) -> None:
    made, url = receiver
    hook = Outbox(watched.bank.database, url)
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    await watched.said()
    made.answers = [500, 404]
    assert [await hook.deliver() for _ in range(4)] == [0, 0, 1, 0]
    assert len(made.got) == 1
    assert {name: made.got[0][name] for name in ("subject", "rule", "limit_usd", "spent_usd")} == {
        "subject": "developer", "rule": "50%", "limit_usd": 1e-06, "spent_usd": 6e-07,
    }  # fmt: skip
    assert made.got[0]["text"].startswith(f"Cairn: budget of developer {made.got[0]['name']}: 50%")


async def test_a_refused_one_waits_before_it_is_posted_again(watched: Watched, receiver: tuple[Receiver, str]) -> None:
    made, url = receiver
    hook = Outbox(watched.bank.database, url)
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    await watched.said()
    made.answers = [500]
    assert [await hook.deliver(), await hook.deliver()] == [0, 0]
    assert (made.answers, made.got) == ([], [])
    async with watched.bank.database.begin() as connection:
        waits = (await connection.execute(text("select attempts, next_at - now() from notices"))).one()
    assert waits[0] == 1
    assert 0 < waits[1].total_seconds() <= 15


async def test_two_processes_post_it_once(watched: Watched, receiver: tuple[Receiver, str]) -> None:
    made, url = receiver
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    await watched.said()
    await asyncio.gather(*(Outbox(watched.bank.database, url).deliver() for _ in range(4)))
    assert len(made.got) == 1


async def test_a_webhook_that_is_away_is_tried_twelve_times_and_then_left(watched: Watched, no_pause: None) -> None:
    hook = Outbox(watched.bank.database, AWAY)
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    await watched.said()
    for _ in range(posting.MAX_POSTS + 2):
        assert await hook.deliver() == 0
    async with watched.bank.database.begin() as connection:
        assert (await connection.scalars(text("select attempts from notices"))).all() == [posting.MAX_POSTS]


async def test_the_webhook_runs_by_itself_and_outlives_errors(
    watched: Watched, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, url = receiver
    monkeypatch.setattr(posting, "POLL_SECONDS", 0.01)
    hook = Outbox(watched.bank.database, url)
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    await watched.said()
    errors, real = [DatabaseUnavailable("away"), RuntimeError("a bug")], hook.deliver

    async def deliver() -> int:
        if errors:
            raise errors.pop()
        return await real()

    monkeypatch.setattr(hook, "deliver", deliver)
    running = asyncio.create_task(supervision.run(*hook.loops()))
    async with patience():
        while not made.got:
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_without_a_webhook_nothing_waits_to_be_posted(watched: Watched, receiver: tuple[Receiver, str]) -> None:
    made, url = receiver
    watched.alerts = watched.server(url=None)
    await spend(watched.bank, await watched.bank.payer(1000), 600)
    assert await watched.said() == [("developer", "50%")]
    assert await Outbox(watched.bank.database, url).deliver() == 0
