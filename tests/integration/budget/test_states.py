"""Hypothesis drives the ledger through holds, ends, limits, top-ups, dead processes, month ends and clocks that jump, beside a plain model.

The model is the specification: a hold is granted exactly when it fits, for the developer, the team and the key, in dollars and in tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import text

from app import clock
from app.budget.hold_sweeper import HoldSweeper
from app.budget.holds import Attempt, Estimate, Hold, Payer, Settlement
from app.budget.limits import Account
from app.budget.prices import TokenBounds, TokenUsage
from app.errors import BudgetExceeded
from app.settings import BudgetSettings, DatabaseSettings
from app.storage.database import Database
from tests.integration.budget.conftest import RECOUNT, Bank, open_bank

pytestmark = pytest.mark.long

UNITS = ("nanousd", "tokens")
AMOUNTS = st.integers(0, 400)
LIMITS = st.integers(0, 1000)
BEGIN = datetime(2026, 1, 30, 12, tzinfo=UTC)


@dataclass(slots=True)
class Page:
    """One subject's month, as it should be."""

    limit: dict[str, int | None]
    added: int = 0
    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))
    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))

    def left(self, unit: str) -> int | None:
        limit = self.limit[unit]
        return None if limit is None else limit + (self.added if unit == "nanousd" else 0) - self.spent[unit] - self.held[unit]


@dataclass(slots=True)
class Taken:
    """A granted hold and where it stands."""

    hold: Hold
    bank: int
    pages: tuple[Page, ...]
    state: str = "held"

    @property
    def worst(self) -> dict[str, int]:
        return {"nanousd": self.hold.nanousd, "tokens": self.hold.tokens}

    def end(self, state: str, cost: dict[str, int]) -> None:
        for page in self.pages:
            for unit in UNITS:
                if self.state == "held":
                    page.held[unit] -= self.worst[unit]
                else:
                    page.spent[unit] -= self.worst[unit]
                page.spent[unit] += cost[unit]
        self.state = state


class Ledgers(RuleBasedStateMachine):
    """Two processes' ledgers over one database."""

    url: str
    runner: asyncio.Runner
    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.moment = BEGIN
        clock.now = lambda: self.moment  # type: ignore[assignment]
        self.pages: dict[tuple[UUID, datetime], Page] = {}
        self.standing: dict[tuple[UUID, str], int | None] = {}
        self.holds: list[Taken] = []
        self.key_pages: dict[tuple[UUID, datetime], Page] = {}
        self.counted: set[tuple[UUID, datetime]] = set()
        self.keys = [uuid4(), uuid4()]
        """Without a limit until one is set."""

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    @initialize(limits=st.lists(LIMITS, min_size=2, max_size=2))
    def opened(self, limits: list[int]) -> None:
        self.do(self._open(limits))

    async def _open(self, limits: list[int]) -> None:
        self.database = await Database.open(DatabaseSettings(), self.url, name="states", pool_size=2, max_overflow=2)
        self.makers = [open_bank(self.database, self.url, BudgetSettings(team_tokens_a_day=None)) for _ in range(2)]
        self.banks: list[Bank] = [await anext(maker) for maker in self.makers]
        self.team = (await self.banks[0].accounts.create_team(f"t-{uuid4().hex[:12]}")).id
        self.payers = []
        for limit in limits:
            made = await self.banks[0].accounts.create_developer(f"d-{uuid4().hex[:12]}", monthly_limit_nanousd=limit)
            self.payers.append(Payer(made.id, self.team))
            self.standing[made.id, "nanousd"] = limit

    def page(self, subject: UUID) -> Page:
        """The subject's page of the month that the clock shows, opened as the ledger opens it."""
        start = self.banks[0].calendar.month_of(self.moment).start
        return self.pages.setdefault((subject, start), Page({unit: self.standing.get((subject, unit)) for unit in UNITS}))

    @rule(
        target=taken,
        who=st.integers(0, 1),
        key=st.none() | st.integers(0, 1),
        bank=st.integers(0, 1),
        amounts=st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=5),
    )
    def ask_for_holds(self, who: int, key: int | None, bank: int, amounts: list[tuple[int, int]]) -> Any:
        """At once: they share a statement, and are judged in the order they came. An admin's key also pays for other developers."""
        payer = replace(self.payers[who], key_id=None if key is None else self.keys[key])
        pages = (self.page(payer.developer_id), self.page(payer.team_id), *([] if payer.key_id is None else [self.key_page(payer.key_id)]))
        answers = self.do(self._ask(bank, payer, amounts))
        granted = []
        for (nanousd, tokens), answer in zip(amounts, answers, strict=True):
            asked = {"nanousd": nanousd, "tokens": tokens}
            lefts = {unit: min((left for page in pages if (left := page.left(unit)) is not None), default=None) for unit in UNITS}
            fits = all(left is None or asked[unit] <= left for unit, left in lefts.items())
            if isinstance(answer, BudgetExceeded):
                assert not fits
                assert answer.left == max(0, lefts[answer.unit] or 0)
                assert answer.asked == asked[answer.unit] > answer.left or answer.left == 0
                continue
            assert isinstance(answer, Hold), answer
            assert fits, (asked, lefts)
            made = Taken(answer, bank, pages)
            for page in pages:
                for unit in UNITS:
                    page.held[unit] += asked[unit]
            self.holds.append(made)
            granted.append(made)
        return multiple(*granted)

    def key_page(self, key: UUID) -> Page:
        """A key's page of this month. The model always counts; the ledger only once a call finds a limit, or the key gets one."""
        month = key, self.banks[0].calendar.month_of(self.moment).start
        page = self.key_pages.setdefault(month, Page(dict.fromkeys(UNITS)))
        if month not in self.counted and (limit := self.standing.get((key, "nanousd"))) is not None:
            page.limit["nanousd"] = limit
            self.counted.add(month)
        return page

    async def _ask(self, bank: int, payer: Payer, amounts: list[tuple[int, int]]) -> list[Any]:
        await self.banks[bank].limits.open_period(payer, self.moment)
        ledger = self.banks[bank].ledger
        asking = (
            ledger.hold(payer, Attempt(uuid4().hex, 1, "fake", "fake-1"), Estimate(TokenBounds(tokens, 0), nanousd))
            for nanousd, tokens in amounts
        )
        return await asyncio.gather(*asking, return_exceptions=True)

    @rule(taken=taken, nanousd=AMOUNTS, tokens=AMOUNTS)
    def settle(self, taken: Taken, nanousd: int, tokens: int) -> None:
        """Also above the hold, also what has ended: then nothing changes."""
        settlement = Settlement(TokenUsage(input=tokens), nanousd, "usage")
        self.do(self.banks[taken.bank].ledger.settle(taken.hold, settlement))
        if taken.state in {"held", "unreconciled"}:
            taken.end("settled", {"nanousd": min(nanousd, taken.hold.nanousd), "tokens": min(tokens, taken.hold.tokens)})

    @rule(taken=taken)
    def release(self, taken: Taken) -> None:
        self.do(self.banks[taken.bank].ledger.release(taken.hold))
        if taken.state in {"held", "unreconciled"}:
            taken.end("released", dict.fromkeys(UNITS, 0))

    @rule(taken=taken)
    def lose_sight(self, taken: Taken) -> None:
        self.do(self.banks[taken.bank].ledger.mark_unreconciled(taken.hold, "cut"))
        if taken.state == "held":
            taken.end("unreconciled", taken.worst)

    @rule(taken=taken, nanousd=st.none() | AMOUNTS)
    def reconcile(self, taken: Taken, nanousd: int | None) -> None:
        if taken.state == "held":
            return  # `Budgets.reconcile` names only unreconciled ones
        closed = self.do(self.banks[0].ledger.reconcile([taken.hold.id], nanousd=nanousd, actor="admin", note=None))
        assert closed == (taken.state == "unreconciled")
        if closed:
            taken.end("released" if nanousd is None else "settled", {"nanousd": min(nanousd or 0, taken.hold.nanousd), "tokens": 0})

    @rule(bank=st.integers(0, 1))
    def process_dies(self, bank: int) -> None:
        """Its holds in flight stay charged; nothing of it stays held."""
        self.do(self._die(bank))
        for each in self.holds:
            if each.bank == bank and each.state == "held":
                each.end("unreconciled", each.worst)

    async def _die(self, bank: int) -> None:
        process_id = self.banks[bank].ledger._process_id
        keepers = [HoldSweeper(self.database, each.ledger, process_id=each.ledger._process_id, silent_seconds=60) for each in self.banks]
        for keeper in keepers:
            await keeper.open()
        async with self.database.begin() as connection:
            statement = text("update budget_processes set seen_at = now() - interval '2 minutes' where id = :id")
            await connection.execute(statement, {"id": process_id})
        await keepers[1 - bank].sweep()

    @rule(subject=st.integers(0, 2), unit=st.sampled_from(UNITS), amount=st.none() | LIMITS)
    def set_limit(self, subject: int, unit: str, amount: int | None) -> None:
        """Also below what is spent."""
        account = self._account(subject)
        if account.subject == "developer" and unit == "nanousd" and amount is None:
            return  # a developer always has one
        self.do(self.banks[0].limits.set(account, unit, amount, actor="admin"))  # type: ignore[arg-type]
        self.standing[account.id, unit] = amount
        self.page(account.id)
        now = self.banks[0].calendar.month_of(self.moment).start
        for (of, start), page in self.pages.items():
            if of == account.id and start >= now:
                page.limit[unit] = amount

    @rule(key=st.integers(0, 1), amount=st.none() | LIMITS)
    def set_limit_of_key(self, key: int, amount: int | None) -> None:
        """Also in mid-month, with holds open and money spent: all of it counts."""
        key_id = self.keys[key]
        before = self.standing.get((key_id, "nanousd"))
        self.do(self.banks[0].limit_key(key_id, amount))
        self.standing[key_id, "nanousd"] = amount
        if before is None:
            self.key_page(key_id)
        now = self.banks[0].calendar.month_of(self.moment).start
        for of, start in self.counted:
            if of == key_id and start >= now:
                self.key_pages[of, start].limit["nanousd"] = amount

    @rule(subject=st.integers(0, 2), amount=st.integers(1, 300))
    def top_up(self, subject: int, amount: int) -> None:
        account = self._account(subject)
        self.do(self.banks[1].limits.top_up(account, amount, actor="admin"))
        self.page(account.id).added += amount

    @rule(hours=st.integers(-40 * 24, 40 * 24))
    def clock_jumps(self, hours: int) -> None:
        self.moment += timedelta(hours=hours)

    @rule()
    def month_ends(self) -> None:
        self.moment = self.banks[0].calendar.month_of(self.moment).end

    def _account(self, subject: int) -> Account:
        if subject == 2:
            return Account("team", self.team, self.team)
        return Account("developer", self.payers[subject].developer_id, self.team)

    @invariant()
    def the_balances_are_what_they_should_be(self) -> None:
        if self.pages:
            self.do(self._compare())

    async def _compare(self) -> None:
        subjects = [self.team, *(payer.developer_id for payer in self.payers)]
        async with self.database.begin() as connection:
            query = text("select * from budget_balances where subject_id = any(:ids)")
            rows = {(row.subject_id, row.period_start): row for row in await connection.execute(query, {"ids": subjects})}
            keyed = {(row.subject_id, row.period_start): row for row in await connection.execute(query, {"ids": self.keys})}
            wrong = (await connection.execute(text(RECOUNT))).all()
            query = text("select id, state from budget_holds where team_id = :team")
            states = {row.id: row.state for row in await connection.execute(query, {"team": self.team})}
        assert not wrong
        for key, page in self.pages.items():
            row = rows[key]
            assert (row.limit_nanousd, row.limit_tokens, row.added_nanousd) == (page.limit["nanousd"], page.limit["tokens"], page.added)
            assert {"nanousd": row.spent_nanousd, "tokens": row.spent_tokens} == page.spent
            assert {"nanousd": row.held_nanousd, "tokens": row.held_tokens} == page.held
        assert rows.keys() == self.pages.keys()
        assert keyed.keys() >= self.counted
        for month in keyed.keys() - self.counted:  # one that is ahead of the clock, or behind: counted with the month that got the limit
            self.key_pages[month].limit["nanousd"] = self.standing[month[0], "nanousd"]
            self.counted.add(month)
        for month, row in keyed.items():
            page = self.key_pages[month]
            assert row.limit_nanousd == page.limit["nanousd"]
            assert ({"nanousd": row.spent_nanousd, "tokens": row.spent_tokens}, row.held_nanousd) == (page.spent, page.held["nanousd"])
        assert states == {each.hold.id: each.state for each in self.holds}

    def teardown(self) -> None:
        if hasattr(self, "makers"):
            self.do(self._close())

    async def _close(self) -> None:
        for maker in self.makers:
            async for _ in maker:
                pass
        await self.database.close()


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Runner]:
    monkeypatch.setattr(clock, "now", clock.now)  # put back whatever the machine leaves
    with asyncio.Runner() as made:
        yield made


def test_no_way_through_the_ledger_overspends_or_forgets(database_url: str, runner: asyncio.Runner) -> None:
    machine = type("Machine", (Ledgers,), {"url": database_url, "runner": runner})
    profile = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=profile)
