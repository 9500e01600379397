"""Calls are listed, searched and counted by the request log; what was charged later is beside what a call cost as it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.accounts.requester import Requester
from app.budget import calls as calls_module
from app.budget.calls import CallReports
from app.budget.corrections import Corrections
from app.budget.holds import Payer
from app.budget.requests import CallFilter, RequestLog, RequestOutcome, RequestRecord
from app.budget.views import ReportDays
from app.errors import InvalidInput, NotAuthenticated, NotFound, NotPermitted
from tests.integration.budget.conftest import Bank, account


@dataclass(frozen=True, slots=True)
class Calling:
    """A request log with its reports, and a lead who reads them."""

    bank: Bank
    reports: CallReports
    lead: Requester

    async def log(self, payer: Payer, request: str | None = None, **more: Any) -> str:
        made = RequestRecord(
            request or uuid4().hex, payer.developer_id, payer.team_id, "chat", "auto", 1, "miss", 5, 0, 100, RequestOutcome.ANSWERED,
            provider="fake", model_answered="fake-1",
        )  # fmt: skip
        log = RequestLog(self.bank.database)
        log.add(replace(made, **more))
        await log.close()
        return made.request_id

    def today(self) -> CallFilter:
        today = self.bank.calendar.day_of(clock.now())
        return CallFilter(ReportDays(today, today))

    async def ids(self, **conditions: Any) -> list[str]:
        page = await self.reports.list_calls(self.lead, replace(self.today(), **conditions))
        return [each.spending.request_id for each in page.calls]


@pytest.fixture
async def calling(bank: Bank) -> Calling:
    made = await bank.accounts.create_developer(f"lead-{uuid4().hex[:8]}", role="lead")
    lead = Requester(bank.team_id, "default", made.id, made.name, role="lead")
    return Calling(bank, CallReports(bank.database, bank.accounts, bank.calendar), lead)


async def test_each_filter_finds_its_calls(calling: Calling) -> None:
    ada, bob = await calling.bank.payer(10**12, "ada"), await calling.bank.payer(10**12, "bob")
    await calling.log(ada, "plain")
    await calling.log(bob, "cached", cache="memory", nanousd=0)
    await calling.log(ada, "refused", status=RequestOutcome.OVER_BUDGET, provider=None, model_answered=None, nanousd=0)
    await calling.log(ada, "failed", status=RequestOutcome.PROVIDERS_FAILED, provider=None, model_answered=None, nanousd=0)
    await calling.log(ada, "left", status=RequestOutcome.CALLER_LEFT, purpose="review", project="shop", session="s1", nanousd=900)
    assert await calling.ids(developer="bob") == ["cached"]
    assert await calling.ids(cached=True) == ["cached"]
    assert await calling.ids(end="refused") == ["refused"]
    assert await calling.ids(end="failed") == ["failed"]
    assert await calling.ids(end="cancelled") == ["left"]
    assert await calling.ids(end="answered", cached=False) == ["plain"]
    assert await calling.ids(model="") == ["failed", "refused"]
    assert await calling.ids(purpose="review", project="shop") == ["left"]
    assert await calling.ids(min_nanousd=6) == ["left"]
    assert await calling.ids(session="s1") == ["left"]
    assert await calling.ids(text="s1") == ["left"]
    assert await calling.ids(text="LAI") == ["plain"]
    assert await calling.ids(text="100%_") == []
    assert await calling.ids(session="", developer="ada") == ["failed", "refused", "plain"]


@pytest.mark.parametrize("scanned", [3, 40_000])
async def test_pages_hold_every_call_once_also_where_few_match(calling: Calling, monkeypatch: pytest.MonkeyPatch, scanned: int) -> None:
    monkeypatch.setattr(calls_module, "MAX_SCANNED", scanned)
    payer = await calling.bank.payer(10**12, "ada")
    made = [await calling.log(payer, purpose="rare" if number % 5 == 0 else "chat") for number in range(11)]
    searches: tuple[tuple[dict[str, Any], list[str]], ...] = (({}, made), ({"purpose": "rare"}, made[::5]))
    for conditions, wanted in searches:
        found, before = list[str](), None
        while True:
            page = await calling.reports.list_calls(calling.lead, replace(calling.today(), **conditions), before=before, limit=2)
            found += [each.spending.request_id for each in page.calls]
            if (before := page.next) is None:
                break
        assert found == wanted[::-1]
    exported = [each async for each in await calling.reports.export(calling.lead, replace(calling.today(), purpose="rare"))]
    assert [each.spending.request_id for each in exported] == made[::5][::-1]


async def test_a_correction_is_told_beside_the_call_that_it_changed(calling: Calling) -> None:
    payer = await calling.bank.payer(10**12, "ada")
    hold = await calling.bank.hold(payer, 100, request="wrong")
    await calling.bank.settle(hold, 60)
    await calling.log(payer, "wrong", nanousd=60)
    async with calling.bank.database.begin() as connection:
        movement = (await connection.execute(text("select id from budget_movements where request_id = 'wrong'"))).scalar_one()
    await Corrections(calling.bank.database).correct(account(payer), movement, nanousd=10, actor="admin", note="as billed")
    (call,) = (await calling.reports.list_calls(calling.lead, calling.today())).calls
    assert (call.spending.nanousd, call.changed_nanousd, call.nanousd, call.spending.mark) == (60, -50, 10, "corrected")
    assert [each.state for each in call.spending.attempts] == ["settled"]


async def test_a_settlement_after_a_sweep_changes_nothing_of_the_logged_cost(calling: Calling) -> None:
    """A process that was silent for too long goes on: its holds were swept, and then settled at what their calls cost."""
    payer, ledger = await calling.bank.payer(10**12, "ada"), calling.bank.ledger
    hold = await calling.bank.hold(payer, 100, request="late")
    await ledger.mark_all_unreconciled([hold.id], "its process was silent")
    await calling.bank.settle(hold, 60)
    await calling.log(payer, "late", nanousd=60)
    unknown = await calling.bank.hold(payer, 100, request="unknown")
    await ledger.mark_unreconciled(unknown, "timeout")
    await calling.log(payer, "unknown", nanousd=100)
    await ledger.reconcile([unknown.id], nanousd=30, actor="admin", note=None)
    calls = (await calling.reports.list_calls(calling.lead, calling.today())).calls
    assert {each.spending.request_id: (each.nanousd, each.changed_nanousd, each.spending.mark) for each in calls} == {
        "late": (60, 0, None),
        "unknown": (30, -70, "corrected"),
    }
    assert await calling.bank.balance(payer.developer_id) == (90, 0)


async def test_statistics_count_by_outcome_and_time_only_what_a_model_answered(calling: Calling) -> None:
    ada, bob = await calling.bank.payer(10**12, "ada"), await calling.bank.payer(10**12, "bob")
    for milliseconds in range(1, 101):
        await calling.log(ada, milliseconds=milliseconds)
    await calling.log(ada, cache="memory", milliseconds=9000)
    await calling.log(bob, status=RequestOutcome.OVER_BUDGET, milliseconds=9000, nanousd=0)
    whole, first, second = await calling.reports.statistics(calling.lead, calling.today(), by="developer")
    assert (whole.key, whole.calls, whole.answered, whole.refused, whole.cached, whole.nanousd) == (None, 102, 101, 1, 1, 505)
    assert (first.name, first.calls, first.milliseconds_p50, first.milliseconds_p95) == ("ada", 101, 50, 95)
    assert (second.name, second.refused, second.milliseconds_p50, second.milliseconds_p95) == ("bob", 1, None, None)
    by_model = await calling.reports.statistics(calling.lead, calling.today(), by="model")
    assert [(each.key, each.calls) for each in by_model] == [(None, 102), ("fake-1", 102)]


async def test_nobody_sees_calls_beyond_their_role(calling: Calling) -> None:
    ada, bob = await calling.bank.payer(10**12, "ada"), await calling.bank.payer(10**12, "bob")
    await calling.log(ada, "hers")
    await calling.log(bob, "his")
    own = Requester(ada.team_id, "default", ada.developer_id, "ada")
    page = await calling.reports.list_calls(own, calling.today())
    assert [each.spending.request_id for each in page.calls] == ["hers"]
    assert (await calling.reports.list_calls(own, replace(calling.today(), text="his"))).calls == []
    assert (await calling.reports.statistics(own, calling.today(), by="developer"))[0].calls == 1
    with pytest.raises(NotPermitted):
        await calling.reports.list_calls(own, replace(calling.today(), developer="bob"))
    with pytest.raises(NotPermitted):
        await calling.reports.statistics(calling.lead, replace(calling.today(), team="other"), by="model")
    with pytest.raises(NotFound):
        await calling.reports.list_calls(calling.lead, replace(calling.today(), developer="nobody"))


@pytest.mark.parametrize("before", ["", "x", "1", "-", "9" * 30 + "-1", "1-9999999999999999999", "²-1"])
async def test_a_cursor_of_elsewhere_is_refused(calling: Calling, before: str) -> None:
    with pytest.raises(InvalidInput, match="not valid for the list"):
        await calling.reports.list_calls(calling.lead, calling.today(), before=before)


async def test_statistics_of_over_a_month_are_refused(calling: Calling) -> None:
    days = calling.today().days
    with pytest.raises(InvalidInput, match="31 days"):
        await calling.reports.statistics(
            calling.lead, CallFilter(ReportDays(days.first.replace(year=days.first.year - 1), days.last)), by="model"
        )


async def test_an_export_ends_when_its_reader_may_not_read_it_any_more(calling: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "EXPORTED_AT_ONCE", 2)
    bank = calling.bank
    ada = await bank.payer(10**12, "ada")
    for number in range(5):
        await calling.log(ada, f"r{number}")
    key = await bank.accounts.keys.create(calling.lead.name)
    reader = await bank.accounts.authenticate(key.key)
    whole = [each.spending.request_id async for each in await calling.reports.export(reader, calling.today())]
    assert sorted(whole) == [f"r{number}" for number in range(5)]
    entries = await calling.reports.export(reader, calling.today())
    read = [(await anext(entries)).spending.request_id]
    await bank.accounts.developers.change(calling.lead.name, disabled=True)
    with pytest.raises(NotAuthenticated, match="is disabled"):
        async for each in entries:
            read.append(each.spending.request_id)
    assert read == whole[:2]
