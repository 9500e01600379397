"""The page "Calls": calls by developer, model, outcome, cost and id, page by page, with how many there were and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, get_args

from fastapi import APIRouter, Request, Response

from app.accounts.views import DeveloperView
from app.budget.requests import CallDimension, CallEnd, CallFilter, CallPage, CallStatistics, CallView
from app.budget.views import ReportDays
from app.dashboard.cost_explanations import Reason, reasons
from app.dashboard.filtering import NONE, RangedCallFilters, address
from app.dashboard.page_route import DataPageRoute
from app.dashboard.ranges import PRESETS, ChosenRange, chosen_range
from app.dashboard.spending import CALLS, UNNAMED
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.money import from_usd
from app.services.administration import list_members
from app.web.spending_csv import csv_of_calls

ENDS: Final[tuple[CallEnd, ...]] = get_args(CallEnd)
DIMENSIONS: Final[tuple[CallDimension, ...]] = get_args(CallDimension)
CACHED: Final = {"": None, "yes": True, "no": False}
SHOWN, STATISTICS = 50, 30

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class CallListFilters(RangedCallFilters):
    """The address of a list of calls, which has more filters than a breakdown of them."""

    outcome: str
    cached: str
    min_cost: str
    text: str


@dataclass(frozen=True, slots=True)
class CallsPage:
    """All that the page shows. `statistics` None: the range is too long for them; `counted`: by which dimension."""

    chosen: ChosenRange
    filters: CallListFilters
    calls: Sequence[tuple[CallView, list[Reason]]]
    page: CallPage
    further: str | None
    statistics: Sequence[tuple[CallStatistics, str, str | None]] | None
    counted: CallDimension
    members: Sequence[DeveloperView]
    csv: str
    presets: Sequence[tuple[str, str, bool]]
    problems: Sequence[str]

    @property
    def narrowed(self) -> bool:
        """Tell whether one of the less usual filters is set."""
        return bool({"provider", "model", "project", "purpose", "session", "min_cost", "text"} & set(self.filters.query))


@router.get("/calls")
async def calls(request: Request) -> Response:
    who = await visitor(request)
    page = await load_calls(who, request)
    return await state_of(request).renderer.page("calls.html", who, page=page, dimensions=DIMENSIONS, ends=ENDS)


@router.get("/calls.csv")
async def table(request: Request) -> Response:
    """Export all calls that the page's filters find. Raises what the page tells: a file has no place for it."""
    who = await visitor(request)
    filters, today = CallListFilters.of(request), who.services.budget.spending.today()
    chosen = chosen_range(who.services, filters.query, default="7d", today=today)
    _, wrong = _checked(filters)
    for problem in (*chosen.problems, *wrong):
        raise InvalidInput(problem, param="from")
    return csv_of_calls(request, await who.services.budget.calls.export(who.requester, _filter(filters, chosen.days)))


async def load_calls(who: Visitor, request: Request) -> CallsPage:
    """Load all that the page shows. A filter that can't be obeyed is left out, and the page says so."""
    filters, today = CallListFilters.of(request), who.services.budget.spending.today()
    chosen = chosen_range(who.services, filters.query, default="7d", today=today)
    filters, wrong = _checked(filters)
    problems = [*chosen.problems, *wrong]
    page, filters, more = await _listed(who, filters, chosen, request.query_params.get("before") or None)
    problems += more
    counted: CallDimension = next((each for each in DIMENSIONS if each == filters.by), "developer" if _reads_all(who) else "model")
    statistics = None
    if "before" not in request.query_params:
        with suppress(InvalidInput):  # the range is too long: the page says so
            statistics = await who.services.budget.calls.statistics(who.requester, _filter(filters, chosen.days), by=counted)
    shown = {**filters.query, "range": "", "from": "", "to": "", **chosen.query}
    fixed = {"range": "", "from": str(chosen.days.first), "to": str(chosen.days.last)}  # a usual range moves at midnight
    return CallsPage(
        chosen=chosen,
        filters=filters,
        calls=[(each, reasons(each.spending)) for each in page.calls],
        page=page,
        further=address(who, CALLS, **shown | fixed, before=page.next) if page.next else None,
        statistics=None if statistics is None else [_named(who, each, counted, shown) for each in statistics[: 1 + STATISTICS]],
        counted=counted,
        members=await list_members(who.services, who.requester),
        csv=address(who, f"{CALLS}.csv", **shown),
        presets=[
            (words, address(who, CALLS, **{**filters.query, "from": "", "to": "", "range": name}), name == chosen.preset)
            for name, words in PRESETS.items()
        ],
        problems=problems,
    )


async def _listed(
    who: Visitor, filters: CallListFilters, chosen: ChosenRange, before: str | None
) -> tuple[CallPage, CallListFilters, list[str]]:
    """List a page of calls, without an unknown developer or place in the list; return what was left out too, in words."""
    problems: list[str] = []
    while True:
        try:
            wanted = _filter(filters, chosen.days)
            return await who.services.budget.calls.list_calls(who.requester, wanted, before=before, limit=SHOWN), filters, problems
        except NotFound as error:
            if not filters.developer:
                raise
            problems.append(error.message)
            filters = replace(filters, developer="")
        except InvalidInput as error:
            if before is None:
                raise
            problems.append(error.message)
            before = None


def _reads_all(who: Visitor) -> bool:
    return who.requester.may("read_team_budget")


def _checked(filters: CallListFilters) -> tuple[CallListFilters, list[str]]:
    """Leave out the filters that mean nothing, and say so."""
    problems = []
    if filters.by and filters.by not in DIMENSIONS:
        problems.append("Calls can't be counted by that field: choose one from the list.")
        filters = replace(filters, by="")
    if filters.outcome and filters.outcome not in ENDS:
        problems.append(f"There is no such outcome: choose one of {', '.join(ENDS)}.")
        filters = replace(filters, outcome="")
    if filters.cached not in CACHED:
        problems.append("Served from cache must be yes or no.")
        filters = replace(filters, cached="")
    if filters.min_cost:
        try:
            from_usd(filters.min_cost)
        except ValueError as error:
            problems.append(f"The minimum cost {error}.")
            filters = replace(filters, min_cost="")
    return filters, problems


def _filter(filters: CallListFilters, days: ReportDays) -> CallFilter:
    return CallFilter(
        days,
        **filters.named,
        end=next((each for each in ENDS if each == filters.outcome), None),
        cached=CACHED[filters.cached],
        min_nanousd=from_usd(filters.min_cost) if filters.min_cost else None,
        text=filters.text.strip() or None,
    )


def _named(who: Visitor, each: CallStatistics, by: CallDimension, shown: dict[str, str]) -> tuple[CallStatistics, str, str | None]:
    """Return figures with their name and the address of their calls."""
    if each.key is None:
        return each, "Total", None
    unnamed = {"model": "no model answered", "provider": "no provider answered"} | UNNAMED
    url = None if by == "developer" and not each.key else address(who, CALLS, **{**shown, by: each.key or NONE})
    return each, each.key or unnamed[by], url
