"""The page "My budget": what is left, how it was spent, the last calls and why they cost what they did. Admins see each developer's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app import clock
from app.accounts.views import DeveloperView
from app.budget.views import Budget, CacheSavings, Forecast, RequestSpending, SpendingSlice
from app.dashboard import charts, formatting
from app.dashboard.alerts import NoticeLine, notices
from app.dashboard.cost_explanations import Reason, reasons
from app.dashboard.filtering import address
from app.dashboard.live import mark_of
from app.dashboard.months import ChosenMonth, chosen_month
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.services.administration import show_developer
from app.services.session_costs import SessionCost, dearest_sessions

LAST_CALLS = 25
NO_PURPOSE = "not named"

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SpendingShare:
    """A model's or a purpose's share of the month's spending."""

    name: str
    under: str
    attempts: int
    nanousd: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    permille: int


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """All that the page shows. Amounts in nano-dollars."""

    developer: str
    team: str
    budget: Budget
    forecast: Forecast
    days_left: int
    resets: date
    empty_on: date | None
    by_day: charts.Chart
    models: Sequence[SpendingShare]
    purposes: Sequence[SpendingShare]
    tokens: SpendingShare
    saved: Sequence[CacheSavings]
    calls: Sequence[tuple[RequestSpending, list[Reason]]]
    sessions: Sequence[SessionCost]
    alerts: Sequence[NoticeLine]
    today: date
    refused: int

    @property
    def allowance(self) -> int | None:
        """Return the limit with the top-ups."""
        return None if self.budget.limit is None else self.budget.limit + self.budget.added

    @property
    def saved_nanousd(self) -> int:
        return sum(each.nanousd for each in self.saved)

    @property
    def state(self) -> str:
        """Return its state: unlimited, over, near, early (no pace can be told yet), ahead (the forecast exceeds the limit) or fine."""
        if self.allowance is None:
            return "unlimited"
        if self.budget.remaining == 0:
            return "over"
        if formatting.percent(self.budget.spent, self.allowance) >= 90:
            return "near"
        if self.forecast.early:
            return "early"
        return "ahead" if self.forecast.middle > self.allowance else "fine"


@router.get("/budget")
async def own(request: Request) -> Response:
    who = await visitor(request)
    if who.requester.developer is None:
        return RedirectResponse(f"{PATH}/team{who.team_query}", status_code=303)
    view = await show_developer(who.services, who.requester, who.requester.developer)
    return await shown(request, who, view)


async def shown(request: Request, who: Visitor, view: DeveloperView) -> Response:
    """Render a developer's page; admins also get the form for the limit."""
    state = state_of(request)
    chosen = await chosen_month(who.services, request, view.id)
    mark = await mark_of(who, "budget", developer=view.name)
    month = await load_budget(who, view, state.renderer.zone, chosen)
    until = chosen.period.end if chosen.past else None
    changes = await who.services.budget.spending.read_limit_changes(view.team_id, developer_id=view.id, until=until, limit=10)
    last = min(chosen.last, month.today)
    return await state.renderer.page(
        "budget.html",
        who,
        month=month,
        changes=changes,
        mark=mark,
        chosen=chosen,
        all_calls=address(who, f"{PATH}/calls", developer=view.name, **{"from": str(chosen.first), "to": str(last)}),
    )


async def load_budget(who: Visitor, view: DeveloperView, zone: ZoneInfo, chosen: ChosenMonth) -> BudgetPage:
    """Load all that the page shows, one query after the other: a page holds one database connection at a time."""
    services = who.services
    spending = services.budget.spending
    period, today, now = chosen.period, spending.today(), clock.now()
    budget = (await services.budget.budgets.get_many([view], period if chosen.past else None))[view.id]
    slices = await spending.read_slices(view.id, period)
    days = spending.days_of(period)
    per_day = dict.fromkeys(days, 0)
    for each in slices:
        per_day[each.day] += each.nanousd
    ahead = Forecast(budget.spent) if chosen.past else spending.forecast(budget, per_day)
    resets = period.end.astimezone(zone).date()
    closed = await services.accounts.closed_names(view.team_id, who.requester.closed)
    calls = [] if chosen.past else await spending.read_requests(view.id, closed=closed, limit=LAST_CALLS)
    refusals = await spending.read_refusals(view.team_id, period, developer_id=view.id) if chosen.past else {}
    return BudgetPage(
        developer=view.name,
        team=view.team,
        budget=budget,
        forecast=ahead,
        days_left=(resets - today).days,
        resets=resets,
        empty_on=_empty_on(budget, ahead, now, zone),
        by_day=_by_day(slices, days, today),
        models=_parts(slices, lambda each: (each.model, each.provider)),
        purposes=_parts(slices, lambda each: (each.purpose or NO_PURPOSE, "")),
        tokens=next(iter(_parts(slices, lambda _: ("all", ""))), SpendingShare("all", "", 0, 0, 0, 0, 0, 0)),
        saved=await spending.read_savings(view.id, period),
        calls=[(call, reasons(call)) for call in calls],
        sessions=await dearest_sessions(services, who.requester, view, since=period.start, until=period.end),
        alerts=notices(await spending.read_alerts([view.id, view.team_id], period)),
        today=today,
        refused=refusals.get(view.id, 0),
    )


def _by_day(slices: Sequence[SpendingSlice], days: Sequence[date], today: date) -> charts.Chart:
    amounts: dict[str, list[int]] = defaultdict(lambda: [0] * len(days))
    places = {each: place for place, each in enumerate(days)}
    for each in slices:
        amounts[each.provider][places[each.day]] += each.nanousd
    columns = [(str(each.day), formatting.day(each) + (" (today)" if each == today else "")) for each in days]
    return charts.of_money("by-day", "Spent by day, by provider", columns, amounts, write=formatting.dollars)


def _parts(slices: Sequence[SpendingSlice], key: Callable[[SpendingSlice], tuple[str, str]]) -> list[SpendingShare]:
    """Sum the slices by `key`, the most expensive first."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for each in slices:
        amounts = (each.attempts, each.nanousd, each.input_tokens, each.output_tokens, each.cached_tokens)
        sums[key(each)] = [have + more for have, more in zip(sums[key(each)], amounts, strict=True)]
    most = max((each[1] for each in sums.values()), default=0)
    parts = [
        SpendingShare(name, under, attempts, nanousd, given, made, cached, formatting.permille(nanousd, most))
        for (name, under), (attempts, nanousd, given, made, cached) in sums.items()
    ]
    return sorted(parts, key=lambda part: (-part.nanousd, part.name))


def _empty_on(budget: Budget, ahead: Forecast, now: datetime, zone: ZoneInfo) -> date | None:
    """Forecast the day on which the limit is reached; None: not this month."""
    if budget.limit is None or budget.spent <= 0 or ahead.middle <= budget.limit + budget.added or not budget.remaining:
        return None
    left = (budget.period.end - now) * ((budget.limit + budget.added - budget.spent) / (ahead.middle - budget.spent))
    return min((now + left), budget.period.end - timedelta(seconds=1)).astimezone(zone).date()
