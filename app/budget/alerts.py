"""Alerts of a budget: at 50, 80, 90 and 100 %, each once a period and subject; stored, logged, counted, put into the outbox.

`rule` is what an alert is called: `50%` … `100%`, `90%-early` (with more than seven days left), `tokens-80%` … for the tokens,
`day-2026-11-21` (a team's tokens of a day above the daily figure), `overrun-<hold>` (it cost more than its hold, which was charged),
`disputed-<hold>` (what its provider made or reported can't be true; the hold was charged).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import cachebox
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from app import clock
from app.accounts.accounts import Accounts
from app.budget.periods import Calendar
from app.budget.tables import Alert, Day
from app.errors import Unavailable
from app.money import to_usd
from app.queue.outbox import Notice, Outbox
from app.storage.database import Database
from app.telemetry import metrics

log = structlog.get_logger()

SHARES = (50, 80, 90, 100)
EARLY_SHARE, EARLY = 90, timedelta(days=7)
MOST_WAITING = 10_000
AWAY_SECONDS = 1.0
STORED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Crossed:
    """A rule that a balance has met."""

    subject: str
    subject_id: UUID
    period_start: datetime
    rule: str
    data: Mapping[str, Any]


class Alerts:
    """`watch` is the ledger's: it only notes what moved. `run` judges and stores; the composition root owns the task."""

    def __init__(
        self, database: Database, calendar: Calendar, accounts: Accounts, outbox: Outbox, *, team_tokens_a_day: int | None
    ) -> None:
        self._database = database
        self._calendar = calendar
        self._accounts = accounts
        self._outbox = outbox
        self._a_day = team_tokens_a_day
        self._moved: dict[tuple[str, str], dict[str, Any]] = {}
        self._above: list[Crossed] = []
        self._woken = asyncio.Event()
        self._said: cachebox.LRUCache[tuple[UUID, datetime, str], bool] = cachebox.LRUCache(100_000)

    def watch(self, balances: Sequence[dict[str, Any]], ended: Sequence[dict[str, Any]]) -> None:
        """The newest state of each balance that moved; bounded, since each is kept once."""
        for row in balances:
            self._moved[row["subject_id"], row["period_start"]] = row
        for end in ended:
            if end["above"] is not None and balances and len(self._above) < MOST_WAITING:
                self._above.append(_above(balances, end))
        self._woken.set()

    async def run(self) -> None:
        """For ever: judge what moved."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.judge()
            except Unavailable as error:
                log.warning("budget.alerts.away", code=error.code)
                self._woken.set()
                await asyncio.sleep(AWAY_SECONDS)
            except Exception:
                log.exception("budget.alerts.failed")
                await asyncio.sleep(AWAY_SECONDS)

    async def judge(self) -> list[Crossed]:
        """Store and say what is newly crossed. Two processes that find the same say it once."""
        moved, self._moved = self._moved, {}
        above, self._above = self._above, []
        found = [*above, *(each for row in moved.values() for each in crossed(row, clock.now()))]
        new: list[Crossed] = []
        try:
            found += await self._days([row for row in moved.values() if row["subject"] == "team"])
            unsaid = [each for each in found if (each.subject_id, each.period_start, each.rule) not in self._said]
            for start in range(0, len(unsaid), STORED_AT_ONCE):
                chunk = unsaid[start : start + STORED_AT_ONCE]
                stored = await self._store(chunk)
                self._said.update({(each.subject_id, each.period_start, each.rule): True for each in chunk})
                _tell(stored)
                new += stored
        except Unavailable:
            self._moved = moved | self._moved
            self._above += above
            raise
        return new

    async def _store(self, found: Sequence[Crossed]) -> list[Crossed]:
        """Those that are new, with their notices: in one transaction."""
        names = await self._accounts.names({each.subject_id for each in found})
        values = [
            {
                "id": uuid4(),
                "subject": each.subject,
                "subject_id": each.subject_id,
                "period_start": each.period_start,
                "rule": each.rule,
                "data": dict(each.data),
            }
            for each in found
        ]
        row = upsert(Alert).values(values).on_conflict_do_nothing()
        stored = row.returning(Alert.id, Alert.subject_id, Alert.period_start, Alert.rule, Alert.created_at)
        async with self._database.begin() as connection:
            rows = {(each.subject_id, each.period_start, each.rule): each for each in await connection.execute(stored)}
            new = [each for each in found if (each.subject_id, each.period_start, each.rule) in rows]
            notices = []
            for each in new:
                made = rows[each.subject_id, each.period_start, each.rule]
                notices.append(_notice(each, names.get(each.subject_id, "?"), made.id, made.created_at))
            await self._outbox.put(connection, notices)
        return new

    async def _days(self, teams: Sequence[Mapping[str, Any]]) -> list[Crossed]:
        if self._a_day is None or not teams:
            return []
        day = self._calendar.day_of(clock.now())
        query = select(Day.subject_id, Day.tokens).where(
            Day.subject_id.in_([UUID(row["subject_id"]) for row in teams]), Day.day == day, Day.tokens > self._a_day
        )
        async with self._database.begin() as connection:
            over = {row.subject_id: int(row.tokens) for row in await connection.execute(query)}
        starts = {UUID(row["subject_id"]): datetime.fromisoformat(row["period_start"]) for row in teams}
        return [
            Crossed("team", subject_id, starts[subject_id], f"day-{day}", {"tokens": tokens, "daily_tokens": self._a_day})
            for subject_id, tokens in over.items()
        ]


def _tell(new: Sequence[Crossed]) -> None:
    for each in new:
        metrics.budget_alert(each.subject, each.rule)
        log.warning("budget.alert", subject=each.subject, subject_id=str(each.subject_id), rule=each.rule, **each.data)


def crossed(row: Mapping[str, Any], now: datetime) -> Iterator[Crossed]:
    """The rules that a balance meets, by what is spent of its limit (of dollars with the top-ups, of tokens)."""
    start, end = datetime.fromisoformat(row["period_start"]), datetime.fromisoformat(row["period_end"])

    def made(rule: str, data: Mapping[str, Any]) -> Crossed:
        return Crossed(row["subject"], UUID(row["subject_id"]), start, rule, data)

    if row["limit_nanousd"] is not None:
        limit, spent = row["limit_nanousd"] + row["added_nanousd"], row["spent_nanousd"]
        data = {"limit_usd": to_usd(limit), "spent_usd": to_usd(spent)}
        for share in SHARES:
            if spent > 0 and spent * 100 >= limit * share:
                yield made(f"{share}%", data)
                if share == EARLY_SHARE and end - now > EARLY:
                    yield made(f"{share}%-early", data)
    if row["limit_tokens"] is not None:
        for share in SHARES:
            if row["spent_tokens"] > 0 and row["spent_tokens"] * 100 >= row["limit_tokens"] * share:
                yield made(f"tokens-{share}%", {"limit_tokens": row["limit_tokens"], "spent_tokens": row["spent_tokens"]})


def _notice(found: Crossed, name: str, notice_id: UUID, at: datetime) -> Notice:
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.data.items())
    body = {
        "subject": found.subject,
        "subject_id": str(found.subject_id),
        "name": name,
        "period_start": found.period_start.isoformat(),
        "rule": found.rule,
        "at": at.isoformat(),
        **found.data,
    }
    return Notice(f"Cairn: budget of {found.subject} {name}: {found.rule} ({facts})", body, notice_id)


def _above(balances: Sequence[Mapping[str, Any]], end: Mapping[str, Any]) -> Crossed:
    row = next((each for each in balances if each["subject_id"] == end["developer_id"]), balances[0])
    start = datetime.fromisoformat(row["period_start"])
    data = {"hold": end["id"], "spent_usd": to_usd(end["spent"])}
    return Crossed("developer", UUID(end["developer_id"]), start, f"{end['above']}-{end['id']}", data)
