"""Spending broken down: the parts are the whole, the whole is the balance, whatever was corrected, reconciled or not rolled up yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app import clock
from app.accounts.requester import Requester
from app.budget import spend_rollup
from app.budget.corrections import Corrections
from app.budget.holds import Payer
from app.budget.requests import RequestLog, RequestOutcome, RequestRecord
from app.budget.spend import SpendReports
from app.budget.spend_rollup import roll_up
from app.budget.views import ReportDays, SpendDimension, SpendQuery, SpendReport
from app.errors import InvalidInput, NotFound, NotPermitted
from tests.integration.budget.conftest import Bank, account

DIMENSIONS: tuple[SpendDimension, ...] = get_args(SpendDimension)


@dataclass(frozen=True, slots=True)
class Reporting:
    """A ledger with its reports, and a team's lead who reads them."""

    bank: Bank
    reports: SpendReports
    lead: Requester

    async def call(
        self,
        payer: Payer,
        nanousd: int,
        *,
        purpose: str = "chat",
        project: str | None = None,
        session: str | None = None,
        logged: bool = True,
    ) -> str:
        request = uuid4().hex
        hold = await self.bank.hold(payer, 2 * nanousd, request=request)
        await self.bank.settle(hold, nanousd)
        if logged:
            await self.log(payer, request, nanousd, purpose, project, session)
        return request

    async def log(self, payer: Payer, request: str, nanousd: int, purpose: str, project: str | None, session: str | None) -> None:
        log = RequestLog(self.bank.database)
        log.add(
            RequestRecord(
                request,
                payer.developer_id,
                payer.team_id,
                purpose,
                "auto",
                1,
                "miss",
                nanousd,
                0,
                5,
                RequestOutcome.ANSWERED,
                project=project,
                provider="fake",
                model_answered="fake-1",
                session=session,
            )
        )
        await log.close()

    async def movement(self, request: str) -> int:
        async with self.bank.database.begin() as connection:
            query = text("select id from budget_movements where request_id = :request order by id limit 1")
            return int((await connection.execute(query, {"request": request})).scalar_one())

    async def correct(self, payer: Payer, request: str, nanousd: int) -> None:
        corrections = Corrections(self.bank.database)
        await corrections.correct(account(payer), await self.movement(request), nanousd=nanousd, actor="admin", note="as billed")

    async def by(self, dimension: SpendDimension, **more: object) -> SpendReport:
        today = self.bank.calendar.day_of(clock.now())
        return await self.reports.report(self.lead, SpendQuery(ReportDays(today, today), by=dimension, **more))  # type: ignore[arg-type]

    async def check(self) -> None:
        """Whatever it is broken down by, the parts add up to the team's balance."""
        spent, _ = await self.bank.balance(self.bank.team_id)
        for dimension in DIMENSIONS:
            report = await self.by(dimension)
            assert report.totals.nanousd == sum(part.totals.nanousd for part in report.parts) == spent, dimension
            assert sum(amount for days in report.by_day.values() for amount in days.values()) == spent, dimension


@pytest.fixture
async def reporting(bank: Bank) -> Reporting:
    made = await bank.accounts.create_developer(f"lead-{uuid4().hex[:8]}", role="lead")
    lead = Requester(bank.team_id, "default", made.id, made.name, role="lead")
    return Reporting(bank, SpendReports(bank.database, bank.accounts, bank.calendar), lead)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was charged just now is old enough to be rolled up."""
    monkeypatch.setattr(spend_rollup, "SETTLED", timedelta(seconds=-60))


def sums(report: SpendReport) -> dict[str | None, int]:
    return {part.key: part.totals.nanousd for part in report.parts}


async def test_each_dimension_names_its_parts_the_dearest_first(reporting: Reporting) -> None:
    ada, bob = await reporting.bank.payer(10**12, "ada"), await reporting.bank.payer(10**12, "bob")
    await reporting.call(ada, 70, project="shop", session="s1")
    await reporting.call(ada, 5, purpose="review", session="s1")
    await reporting.call(bob, 20, project="shop", session="s2")
    await reporting.call(bob, 1, logged=False)
    await reporting.check()
    assert list(sums(await reporting.by("developer")).items()) == [("ada", 75), ("bob", 21)]
    assert sums(await reporting.by("purpose")) == {"chat": 90, "review": 5, "": 1}
    assert sums(await reporting.by("project")) == {"shop": 90, "": 6}
    assert sums(await reporting.by("session")) == {"s1": 75, "s2": 20, "": 1}
    assert sums(await reporting.by("model")) == {"fake-1": 96}
    assert sums(await reporting.by("provider")) == {"fake": 96}
    assert sums(await reporting.by("purpose", developer="ada", project="shop")) == {"chat": 70}
    assert sums(await reporting.by("day", session="")) == {str(reporting.bank.calendar.day_of(clock.now())): 1}


@pytest.mark.usefixtures("at_once")
async def test_corrections_and_unconfirmed_charges_count_before_and_after_they_are_rolled_up(reporting: Reporting) -> None:
    payer = await reporting.bank.payer(10**12, "ada")
    dear = await reporting.call(payer, 100, purpose="review")
    unknown = await reporting.bank.hold(payer, 50)
    await reporting.bank.ledger.mark_unreconciled(unknown, "timeout")
    assert await roll_up(reporting.bank.database) > 0
    await reporting.check()
    await reporting.correct(payer, dear, 10)
    await reporting.bank.ledger.reconcile([unknown.id], nanousd=7, actor="admin", note=None)
    assert sums(await reporting.by("purpose")) == {"review": 10, "": 7}
    await reporting.check()
    assert await roll_up(reporting.bank.database) > 0
    assert await roll_up(reporting.bank.database) == 0
    assert sums(await reporting.by("purpose")) == {"review": 10, "": 7}
    assert [(part.totals.attempts, part.totals.nanousd) for part in (await reporting.by("provider")).parts] == [(2, 17)]
    await reporting.check()


async def test_what_is_younger_than_an_hour_waits_for_its_request_to_be_logged(reporting: Reporting) -> None:
    payer = await reporting.bank.payer(10**12, "ada")
    request = await reporting.call(payer, 100, logged=False)
    assert await roll_up(reporting.bank.database) == 0
    assert sums(await reporting.by("purpose")) == {"": 100}
    await reporting.log(payer, request, 100, "late", None, None)
    assert sums(await reporting.by("purpose")) == {"late": 100}


@pytest.mark.usefixtures("at_once")
async def test_a_movement_that_appears_after_a_later_one_is_not_left_out(reporting: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are given before transactions commit: the roll-up waits for whoever has a smaller one."""
    monkeypatch.setattr(spend_rollup, "TRIES", 1)
    payer = await reporting.bank.payer(10**12, "ada")
    first = await reporting.call(payer, 100)
    copy = text(
        "insert into budget_movements (kind, developer_id, team_id, period_start, hold_id, request_id, provider, model, nanousd)"
        " select 'correction', developer_id, team_id, period_start, hold_id, request_id, provider, model, 11"
        " from budget_movements where request_id = :request"
    )
    async with reporting.bank.database.begin() as slow:
        await slow.execute(copy, {"request": first})
        await reporting.call(payer, 1000)
        assert await roll_up(reporting.bank.database) == 0
    monkeypatch.undo()
    monkeypatch.setattr(spend_rollup, "SETTLED", timedelta(seconds=-60))
    assert await roll_up(reporting.bank.database) > 0
    assert (await reporting.by("provider")).totals.nanousd == 1111
    async with reporting.bank.database.begin() as connection:
        rolled = (await connection.execute(text("select sum(nanousd)::bigint from budget_spend_days"))).scalar_one()
    assert rolled == 1111


@pytest.mark.usefixtures("at_once")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("call"), st.integers(0, 10**6), st.sampled_from(["chat", "review"]), st.sampled_from([None, "shop", "x"])),
            st.tuples(st.just("correct"), st.integers(0, 10**6)),
            st.tuples(st.just("roll")),
        ),
        max_size=12,
    )
)
async def test_whatever_happens_in_whatever_order_parts_and_balance_agree(reporting: Reporting, steps: list[tuple[object, ...]]) -> None:
    payer = await reporting.bank.payer(10**15)
    requests: list[tuple[str, int]] = []
    for step in steps:
        match step:
            case ("call", int(amount), str(purpose), project):
                assert project is None or isinstance(project, str)
                requests.append((await reporting.call(payer, amount, purpose=purpose, project=project), amount))
            case ("correct", int(amount)) if requests:
                request, charged = requests[-1]
                if amount != charged:
                    await reporting.correct(payer, request, amount)
                    requests[-1] = (request, amount)
            case ("roll",):
                await asyncio.gather(roll_up(reporting.bank.database), roll_up(reporting.bank.database))
    await reporting.check()


async def test_the_range_before_is_of_the_same_length_and_each_part_is_compared_with_it(reporting: Reporting) -> None:
    payer = await reporting.bank.payer(10**12, "ada")
    old = await reporting.call(payer, 30, purpose="review", session="s1")
    await reporting.call(payer, 12, purpose="review", session="s1")
    await reporting.call(payer, 5)
    today = reporting.bank.calendar.day_of(clock.now())
    async with reporting.bank.database.begin() as connection:
        await connection.execute(
            text("update budget_holds set day = :day where request_id = :id"), {"day": today - timedelta(3), "id": old}
        )
    week = ReportDays(today - timedelta(2), today)
    report = await reporting.reports.report(reporting.lead, SpendQuery(week, by="purpose"))
    assert (report.totals.nanousd, report.before.nanousd) == (17, 30)
    assert [(part.key, part.totals.nanousd, part.before) for part in report.parts] == [("review", 12, 30), ("chat", 5, 0)]
    by_session = await reporting.reports.report(reporting.lead, SpendQuery(week, by="session"))
    assert [(part.key, part.totals.nanousd, part.before) for part in by_session.parts] == [("s1", 12, 30), ("", 5, 0)]
    by_day = await reporting.reports.report(reporting.lead, SpendQuery(week, by="day"))
    assert [(part.key, part.totals.nanousd, part.before) for part in by_day.parts] == [(str(today), 17, 30)]


async def test_parts_beyond_the_limit_are_one_and_still_add_up(reporting: Reporting) -> None:
    payer = await reporting.bank.payer(10**12, "ada")
    for number in range(5):
        await reporting.call(payer, 10**number, purpose=f"p{number}", session=f"s{number}")
    today = reporting.bank.calendar.day_of(clock.now())
    for by, first in (("purpose", "p4"), ("session", "s4")):
        query = SpendQuery(ReportDays(today, today), by=by)  # type: ignore[arg-type]
        report = await reporting.reports.report(reporting.lead, query, limit=2)
        assert [(part.key, part.totals.nanousd) for part in report.parts] == [(first, 10_000), (first[0] + "3", 1000), (None, 111)]


async def test_of_more_days_than_are_shown_the_latest_are(reporting: Reporting) -> None:
    payer = await reporting.bank.payer(10**12, "ada")
    today = reporting.bank.calendar.day_of(clock.now())
    for ago in range(4):
        request = await reporting.call(payer, 10**ago)
        async with reporting.bank.database.begin() as connection:
            await connection.execute(
                text("update budget_holds set day = :day where request_id = :id"), {"day": today - timedelta(ago), "id": request}
            )
    query = SpendQuery(ReportDays(today - timedelta(3), today), by="day")
    report = await reporting.reports.report(reporting.lead, query, limit=2)
    shown = [(part.key, part.totals.nanousd) for part in report.parts]
    assert shown == [(str(today - timedelta(1)), 10), (str(today), 1), (None, 1100)]


async def test_a_developer_sees_only_their_own_and_a_lead_only_their_team(reporting: Reporting) -> None:
    payer, other = await reporting.bank.payer(10**12, "ada"), await reporting.bank.payer(10**12, "bob")
    await reporting.call(payer, 3)
    await reporting.call(other, 4)
    ada = Requester(payer.team_id, "default", payer.developer_id, "ada")
    today = reporting.bank.calendar.day_of(clock.now())
    mine = await reporting.reports.report(ada, SpendQuery(ReportDays(today, today)))
    assert mine.totals.nanousd == 3
    with pytest.raises(NotPermitted):
        await reporting.reports.report(ada, SpendQuery(ReportDays(today, today), developer="bob"))
    with pytest.raises(NotPermitted):
        await reporting.reports.report(reporting.lead, SpendQuery(ReportDays(today, today), team="other"))
    with pytest.raises(NotFound):
        await reporting.reports.report(reporting.lead, SpendQuery(ReportDays(today, today), developer="nobody"))
    await reporting.bank.accounts.create_team("other")
    stranger = await reporting.bank.accounts.create_developer("eve", team="other", role="lead")
    lead = Requester(stranger.team_id, "other", stranger.id, "eve", role="lead")
    assert (await reporting.reports.report(lead, SpendQuery(ReportDays(today, today)))).totals.nanousd == 0
    with pytest.raises(NotFound):
        await reporting.reports.report(lead, SpendQuery(ReportDays(today, today), developer="ada"))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (None, date(2999, 1, 1), "future"),
        (date(2026, 3, 2), date(2026, 3, 1), "reversed"),
        (date(1, 1, 1), date(2, 1, 1), "2000"),
        (date(2001, 1, 1), date(2020, 1, 1), "too long"),
    ],
)
async def test_a_range_that_cannot_be_is_refused_in_words(reporting: Reporting, first: date | None, last: date | None, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        reporting.reports.days(first, last)
