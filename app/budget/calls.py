"""Lists and counts calls by the request log, with filters: who made them, what answered, how they ended, how long they took.

A call belongs to the day on which it ended, its money to the day on which it began (`spend.py`): around midnight the two may differ.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.budget.periods import Calendar
from app.budget.reporting import CLOSED_PROJECT, ReportScope, check_days, read_attempts, scope_of
from app.budget.requests import CALL_ENDS, CallDimension, CallFilter, CallPage, CallStatistics, CallView
from app.budget.tables import MovementRow, RequestRow
from app.budget.views import ReportDays, RequestSpending
from app.errors import InvalidInput
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, every_entry
from app.storage.tables import AnyRow

MAX_SCANNED: Final = 20_000
"""Calls that one page is searched among: a rare value is looked for page by page, so that no page takes seconds."""
MAX_STATISTICS_DAYS: Final = 31
EXPORTED_AT_ONCE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPENDING: Final = [each.name for each in fields(RequestSpending) if each.name not in {"attempts", "mark"}]
_READ: Final = [*_SPENDING, "id", "developer_id", "session", "agent", "input_tokens", "output_tokens"]
_FILTERED: Final = {"model": "model_answered", "provider": "provider", "project": "project", "purpose": "purpose"}
WORK_MEMORY: Final = "32MB"
_COLUMNS: Final[Mapping[CallDimension, Any]] = {
    "developer": RequestRow.developer_id,
    "model": RequestRow.model_answered,
    "provider": RequestRow.provider,
    "purpose": RequestRow.purpose,
}


class CallReports:
    """Lists calls and their statistics."""

    def __init__(self, database: Database, accounts: Accounts, calendar: Calendar) -> None:
        self._database = database
        self._accounts = accounts
        self._calendar = calendar

    def days(self, first: date | None, last: date | None) -> ReportDays:
        """Check a range of days, as `check_days` does."""
        return check_days(self._calendar, first, last)

    async def list_calls(self, requester: Requester, wanted: CallFilter, *, before: str | None = None, limit: int = 50) -> CallPage:
        """List a page of calls, the latest first. NotFound for an unknown team or developer, InvalidInput for a `before` of elsewhere."""
        scope = await scope_of(self._accounts, requester, team=wanted.team, developer=wanted.developer)
        within = self._within(scope, wanted.days)
        if before is not None:
            within.append(tuple_(RequestRow.at, RequestRow.id) < _place(before))
        indexed, exact = await self._indexed(scope, wanted)
        searched = aliased(RequestRow, _scanned([*within, *indexed]).limit(MAX_SCANNED).subquery())
        conditions = _conditions(searched, wanted, scope, exact=exact)
        query = _scanned([*within, *indexed]) if not conditions else _scanned(conditions, searched)
        rows = await self._database.read(rows_of(query.limit(limit + 1)))
        page = rows[:limit]
        following, searched_to = _cursor(page[-1]) if len(rows) > limit else None, None
        if following is None and conditions:
            ends = await self._database.read(rows_of(_scanned([*within, *indexed]).offset(MAX_SCANNED - 1).limit(1)))
            following, searched_to = (_cursor(ends[0]), ends[0].at) if ends else (None, None)
        return CallPage(await self._views(page, scope), following, searched_to)

    async def export(self, requester: Requester, wanted: CallFilter) -> AsyncGenerator[CallView]:
        """Read all calls, the latest first, page by page, as far as the requester may see them by then. Errors come before the first."""
        lasting = await self._accounts.lasting(requester)

        async def read(before: str | None) -> EntryPage[CallView]:
            page = await self.list_calls(await lasting.now(), wanted, before=before, limit=EXPORTED_AT_ONCE)
            return EntryPage(page.calls, page.next)

        return every_entry(await read(None), read)

    async def statistics(self, requester: Requester, wanted: CallFilter, *, by: CallDimension) -> Sequence[CallStatistics]:
        """Count calls in parts, those with the most calls first, after the figures of all of them. InvalidInput for over a month."""
        scope = await scope_of(self._accounts, requester, team=wanted.team, developer=wanted.developer)
        if wanted.days.days > MAX_STATISTICS_DAYS:
            raise InvalidInput(
                f"Statistics of calls cover at most {MAX_STATISTICS_DAYS} days, because they sort the times of every call;"
                f" this range has {wanted.days.days:,}. Ask for a month at a time, or, for what calls cost over up to three years,"
                " `cairn budget spend` or GET /v1/budget/spend.",
                param="from",
            )
        within = self._within(scope, wanted.days)
        indexed, exact = await self._indexed(scope, wanted)
        within += [*indexed, *_conditions(RequestRow, wanted, scope, exact=exact)]
        rows = await self._database.read(partial(_counts, _statistics(within, by, scope)))
        names = await self._accounts.names({row.key for row in rows if row.key}) if by == "developer" else {}
        return [_counted(row, by, names) for row in sorted(rows, key=lambda row: (not row.whole, -row.calls, str(row.key)))]

    def _within(self, scope: ReportScope, days: ReportDays) -> list[ColumnElement[bool]]:
        start, end = self._calendar.start_of(days.first), self._calendar.start_of(days.last + timedelta(days=1))
        found = [RequestRow.team_id == scope.team_id, RequestRow.at >= start, RequestRow.at < end]
        return [*found, *([] if scope.developer_id is None else [RequestRow.developer_id == scope.developer_id])]

    async def _indexed(self, scope: ReportScope, wanted: CallFilter) -> tuple[list[ColumnElement[bool]], bool]:
        """Return the conditions that have an index, and whether `text` is a whole id, which does."""
        found = [RequestRow.session == wanted.session] if wanted.session else []
        if not wanted.text:
            return found, False
        whole = or_(*(each == wanted.text for each in (RequestRow.request_id, RequestRow.session, RequestRow.agent)))
        exact = bool(await self._database.read(rows_of(select(RequestRow.id).where(whole, RequestRow.team_id == scope.team_id).limit(1))))
        return [*found, whole] if exact else found, exact

    async def _views(self, rows: Sequence[AnyRow], scope: ReportScope) -> list[CallView]:
        ids = [row.request_id for row in rows]
        attempts = await self._database.read(partial(read_attempts, requests=ids))
        changes = await self._changes(ids)
        names = await self._accounts.names({row.developer_id for row in rows})
        return [
            CallView(
                spending=RequestSpending(
                    **{name: getattr(row, name) for name in _SPENDING if name != "project"},
                    project=CLOSED_PROJECT if row.project in scope.closed else row.project,
                    attempts=tuple(attempts[row.request_id]),
                    mark="corrected" if row.request_id in changes else None,
                ),
                developer=names.get(row.developer_id),
                session=row.session,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                changed_nanousd=changes.get(row.request_id, 0),
            )
            for row in rows
        ]

    async def _changes(self, ids: Collection[str]) -> dict[str, int]:
        """Return by how much admins changed the charge of each call since it ended, where they did.

        A reconciliation without an actor is a settlement that came after its hold was swept: the request log has its cost already.
        """
        changed = MovementRow.kind.in_(("reconcile", "correction"))
        later = and_(changed, MovementRow.actor.is_not(None), MovementRow.request_id.in_(ids))
        query = select(MovementRow.request_id, func.sum(MovementRow.nanousd).label("nanousd")).where(later)
        rows = await self._database.read(rows_of(query.group_by(MovementRow.request_id)))
        return {row.request_id: int(row.nanousd) for row in rows}


async def _counts(query: Select[*tuple[Any, ...]], connection: AsyncConnection) -> Sequence[AnyRow]:
    """Read statistics with memory enough to sort a month's calls."""
    await connection.execute(text(f"set local work_mem = '{WORK_MEMORY}'"))
    return (await connection.execute(query)).all()


def _conditions(of: type[RequestRow], wanted: CallFilter, scope: ReportScope, *, exact: bool) -> list[ColumnElement[bool]]:
    """Return the conditions that have no index."""
    columns = {name: getattr(of, column) for name, column in _FILTERED.items()} | {"project": scope.shown_project(of.project)}
    found = [_named(column, value) for name, column in columns.items() if (value := getattr(wanted, name)) is not None]
    if wanted.session == "":
        found.append(of.session.is_(None))
    if wanted.end is not None:
        found.append(of.status.in_([int(each) for each in CALL_ENDS[wanted.end]]))
    if wanted.cached is not None:
        found.append(of.cache != "miss" if wanted.cached else of.cache == "miss")
    if wanted.min_nanousd is not None:
        found.append(of.nanousd >= wanted.min_nanousd)
    if wanted.text and not exact:
        found.append(or_(*(each.icontains(wanted.text, autoescape=True) for each in (of.request_id, of.session, of.agent))))
    return found


def _named(column: Any, value: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column == value if value else func.coalesce(column, "") == ""
    return found


def _scanned(conditions: Sequence[ColumnElement[bool]], of: type[RequestRow] = RequestRow) -> Select[*tuple[Any, ...]]:
    return select(*(getattr(of, name) for name in _READ)).where(*conditions).order_by(of.at.desc(), of.id.desc())


def _statistics(conditions: Sequence[ColumnElement[bool]], by: CallDimension, scope: ReportScope) -> Select[*tuple[Any, ...]]:
    column = scope.shown_project(RequestRow.project) if by == "project" else _COLUMNS[by]
    ends = [func.count().filter(RequestRow.status.in_([int(each) for each in outcomes])).label(end) for end, outcomes in CALL_ENDS.items()]
    paid = and_(RequestRow.status == int(CALL_ENDS["answered"][0]), RequestRow.cache == "miss")
    times = func.percentile_disc(array([0.5, 0.95])).within_group(RequestRow.milliseconds).filter(paid).label("times")
    cost = cast(func.coalesce(func.sum(RequestRow.nanousd), 0), BigInteger).label("nanousd")
    whole = (func.grouping(column) == 1).label("whole")
    cached = func.count().filter(RequestRow.cache != "miss").label("cached")
    counted = select(column.label("key"), whole, func.count().label("calls"), *ends, cached, cost, times).where(*conditions)
    return counted.group_by(func.grouping_sets(tuple_(column), tuple_()))


def _counted(row: AnyRow, by: CallDimension, names: Mapping[UUID, str]) -> CallStatistics:
    name = names.get(row.key) if by == "developer" else row.key or ""
    middle, high = row.times or (None, None)
    return CallStatistics(
        key=None if row.whole else name or "",
        name=None if row.whole else name,
        **{each: getattr(row, each) for each in ("calls", *CALL_ENDS, "cached", "nanousd")},
        milliseconds_p50=middle,
        milliseconds_p95=high,
    )


def _cursor(row: AnyRow) -> str:
    """Write a call's place in the list: microseconds and id."""
    return f"{(row.at - _EPOCH) // timedelta(microseconds=1)}-{row.id}"


def _place(cursor: str) -> tuple[datetime, int]:
    micros, _, number = cursor.partition("-")
    if not (micros.isascii() and micros.isdigit() and number.isascii() and number.isdigit() and len(micros) <= 17 and len(number) <= 18):
        raise InvalidInput("This cursor is not valid for the list of calls: start again from the first page.", param="before")
    return _EPOCH + timedelta(microseconds=int(micros)), int(number)
