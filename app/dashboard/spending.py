"""The page "Spend": where money went over any range of days, compared with the range before; each part leads to its calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, get_args

from fastapi import APIRouter, Request, Response

from app.accounts.views import DeveloperView
from app.budget.views import ReportDays, SpendDimension, SpendPart, SpendQuery, SpendReport
from app.dashboard import charts, formatting
from app.dashboard.filtering import NONE, RangedCallFilters, address
from app.dashboard.page_route import DataPageRoute
from app.dashboard.ranges import PRESETS, ChosenRange, chosen_range
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.services.administration import list_members
from app.web.spending_csv import csv_of_spending

SPEND, CALLS = f"{PATH}/spend", f"{PATH}/calls"
DIMENSIONS: Final[tuple[SpendDimension, ...]] = get_args(SpendDimension)
SHOWN, EXPORTED = 50, 10_000
UNNAMED: Final[dict[str, str]] = {
    "purpose": "not in the request log",
    "project": "no project named",
    "session": "no session named",
    "developer": "a removed developer",
}
"""Words for the part of a dimension that has no name."""

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SpendLine:
    """A part of the table. `url`: the calls behind it, None where the request log has none; `permille` of the dearest part."""

    name: str
    part: SpendPart
    url: str | None
    permille: int


@dataclass(frozen=True, slots=True)
class SpendPage:
    """All that the page shows."""

    report: SpendReport
    chosen: ChosenRange
    lines: Sequence[SpendLine]
    chart: charts.Chart
    members: Sequence[DeveloperView]
    calls: str
    csv: str
    presets: Sequence[tuple[str, str, bool]]
    narrowed: Sequence[tuple[str, str, str]]
    problems: Sequence[str]


@router.get("/spend")
async def spend(request: Request) -> Response:
    who = await visitor(request)
    page = await load_spend(who, request)
    return await state_of(request).renderer.page("spend.html", who, page=page, dimensions=DIMENSIONS)


@router.get("/spend.csv")
async def table(request: Request) -> Response:
    """Export the breakdown that the page shows, with all its parts. Raises what the page tells: a file has no place for it."""
    who = await visitor(request)
    filters, today = RangedCallFilters.of(request), who.services.budget.spending.today()
    chosen = chosen_range(who.services, filters.query, default="month", today=today)
    for problem in chosen.problems:
        raise InvalidInput(problem, param="from")
    return csv_of_spending(await who.services.budget.spend.report(who.requester, _query(filters, chosen.days), limit=EXPORTED))


async def load_spend(who: Visitor, request: Request) -> SpendPage:
    """Load all that the page shows. A filter that can't be obeyed is left out, and the page says so."""
    filters, today = RangedCallFilters.of(request), who.services.budget.spending.today()
    chosen = chosen_range(who.services, filters.query, default="month", today=today)
    problems = list(chosen.problems)
    if filters.by and filters.by not in DIMENSIONS:
        problems.append("Spending can't be broken down by that field: choose one from the list.")
        filters = replace(filters, by="")
    try:
        report = await who.services.budget.spend.report(who.requester, _query(filters, chosen.days), limit=SHOWN)
    except NotFound as error:
        problems.append(error.message)
        filters = replace(filters, developer="")
        report = await who.services.budget.spend.report(who.requester, _query(filters, chosen.days), limit=SHOWN)
    shown = {**filters.query, **dict.fromkeys(("range", "from", "to"), ""), **chosen.query}
    dearest = max((each.totals.nanousd for each in report.parts), default=0)
    return SpendPage(
        report=report,
        chosen=chosen,
        lines=[_line(who, each, report, chosen, filters, dearest) for each in report.parts],
        chart=_chart(report),
        members=await list_members(who.services, who.requester),
        calls=address(who, CALLS, **chosen.query, **filters.of_calls),
        csv=address(who, f"{SPEND}.csv", **shown),
        presets=[
            (words, address(who, SPEND, **{**filters.query, "from": "", "to": "", "range": name}), name == chosen.preset)
            for name, words in PRESETS.items()
        ],
        narrowed=[(name, value, address(who, SPEND, **{**shown, name: ""})) for name, value in filters.of_calls.items()],
        problems=problems,
    )


def _query(filters: RangedCallFilters, days: ReportDays) -> SpendQuery:
    by: SpendDimension = next((each for each in DIMENSIONS if each == filters.by), "model")
    return SpendQuery(days, by, **filters.named)


def _line(who: Visitor, part: SpendPart, report: SpendReport, chosen: ChosenRange, filters: RangedCallFilters, dearest: int) -> SpendLine:
    by = report.query.by
    if part.key is None:
        return SpendLine("all older days" if by == "day" else "all others", part, None, formatting.permille(part.totals.nanousd, dearest))
    if by == "day":
        day = date.fromisoformat(part.key)
        name, narrowed = f"{formatting.day(day)} {day.year}", {**filters.of_calls, "from": part.key, "to": part.key}
    else:
        name = part.key or UNNAMED.get(by, "not named")
        narrowed = {**chosen.query, **filters.of_calls, by: part.key or NONE}
        narrowed |= {"provider": part.provider or NONE} if by == "model" else {}  # several may have a model of that name
    hidden = not part.key and by in {"purpose", "developer"}  # neither is in the request log
    return SpendLine(name, part, None if hidden else address(who, CALLS, **narrowed), formatting.permille(part.totals.nanousd, dearest))


def _chart(report: SpendReport) -> charts.Chart:
    days, unnamed = report.query.days, UNNAMED.get(report.query.by, "not named")
    if report.monthly:
        columns = sorted({(days.first + timedelta(days=number)).replace(day=1) for number in range(days.days)})
        labels = [(f"{each:%b}", f"{each:%B %Y}") for each in columns]
    else:
        columns = [days.first + timedelta(days=number) for number in range(days.days)]
        labels = [(str(each.day) if days.days <= 31 else formatting.short_day(each), formatting.day(each)) for each in columns]
    amounts = {name or unnamed: [by_day.get(each, 0) for each in columns] for name, by_day in report.by_day.items()}
    title = "Spent by month" if report.monthly else "Spent by day"
    return charts.of_money("by-day", title, labels, amounts, write=formatting.dollars)
