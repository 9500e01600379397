"""The scope of a report: whose calls it is about, and of which days. Shared by the reports of spending and of calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.budget.periods import Calendar
from app.budget.tables import HoldRow
from app.budget.views import AttemptView, ReportDays
from app.errors import InvalidInput, NotPermitted

MAX_DAYS: Final = 1100
"""The longest range: three years."""
FIRST_YEAR: Final = 2000
CLOSED_PROJECT: Final = "(closed to you)"
"""Stands for the names of all projects that are closed to who asks: what their calls cost is told, in one sum."""


@dataclass(frozen=True, slots=True)
class ReportScope:
    """A team, and the developer whose calls are reported; None: all of the team's. `closed`: names of projects closed to who asks."""

    team: str
    team_id: UUID
    developer_id: UUID | None
    closed: frozenset[str] = frozenset()

    def shown_project(self, column: Any) -> Any:
        """Select a column of projects' names as who asks may see it, also to filter by: a closed name is then as an unknown one."""
        return case((column.in_(sorted(self.closed)), CLOSED_PROJECT), else_=column) if self.closed else column


async def scope_of(accounts: Accounts, requester: Requester, *, team: str | None, developer: str | None) -> ReportScope:
    """Resolve the names of a report. Everybody reads their own; of others `read_team_budget` those of the team, an admin any.

    NotFound for an unknown team, or a developer who isn't in it.
    """
    requester.check("read")
    team = team or requester.team
    if team != requester.team and not requester.is_admin:
        raise NotPermitted("Only an admin sees another team's calls. Leave out the team to see your own team's.")
    team_id = requester.team_id if team == requester.team else await accounts.team_id(team)
    closed = await accounts.closed_names(team_id, requester.closed)
    if developer is not None and developer != requester.developer:
        requester.check("read_team_budget")
        return ReportScope(team, team_id, (await accounts.find_developer(developer, team_id=team_id)).id, closed)
    alone = developer is not None or not requester.may("read_team_budget")
    return ReportScope(team, team_id, requester.developer_id if alone else None, closed)


def check_days(calendar: Calendar, first: date | None, last: date | None) -> ReportDays:
    """Check a range of days: absent ends are the first of the month and today. InvalidInput says what is wrong with it."""
    today = calendar.day_of(clock.now())
    last = today if last is None else last
    if last > today:
        raise InvalidInput(f"`to` is in the future: the last day with calls is today, {today}.", param="to")
    if first is not None and first > today:
        raise InvalidInput(f"`from` is in the future: the last day with calls is today, {today}.", param="from")
    first = last.replace(day=1) if first is None else first
    if first > last:
        raise InvalidInput(f"The range is reversed: `from` ({first}) is after `to` ({last}).", param="from")
    if first.year < FIRST_YEAR:
        raise InvalidInput(f"`from` is before the year {FIRST_YEAR}, when there were no calls: choose a later day.", param="from")
    if (last - first).days >= MAX_DAYS:
        raise InvalidInput(f"The range is too long: choose at most {MAX_DAYS} days.", param="from")
    return ReportDays(first, last)


def nearest_days(calendar: Calendar, first: date | None, last: date | None) -> tuple[ReportDays, str]:
    """Return a range of days, or the nearest valid one and what is wrong with the one that was asked for."""
    try:
        return check_days(calendar, first, last), ""
    except InvalidInput as error:
        today, earliest = calendar.day_of(clock.now()), date(FIRST_YEAR, 1, 1)
        begin, end = sorted(max(earliest, min(each or today, today)) for each in (first, last))
        return ReportDays(max(begin, end - timedelta(days=MAX_DAYS - 1)), end), error.message


async def read_attempts(connection: AsyncConnection, requests: Collection[str]) -> Mapping[str, Sequence[AttemptView]]:
    """Read the attempts of each of these requests, in order; none of a request that was answered from a cache."""
    query = select(HoldRow.request_id, HoldRow.provider, HoldRow.model, HoldRow.state).where(HoldRow.request_id.in_(requests))
    found: dict[str, list[AttemptView]] = {each: [] for each in requests}
    for row in await connection.execute(query.order_by(HoldRow.request_id, HoldRow.attempt)):
        found[row.request_id].append(AttemptView(row.provider, row.model, row.state))
    return found
