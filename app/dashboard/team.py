"""The page "Team", for admins, leads and auditors: spending and risk by developer. Admins change limits here, with their name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app.accounts.views import DeveloperView
from app.budget.views import Budget, Forecast, LimitChange, MovementEntry
from app.dashboard import budget as developer_page
from app.dashboard import charts, formatting
from app.dashboard.filtering import address
from app.dashboard.live import mark_of
from app.dashboard.months import ChosenMonth, chosen_month
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, budget_reader, text_of, verified_form, visitor
from app.errors import InvalidInput
from app.money import from_usd, usd_text
from app.services import administration
from app.web import spreadsheet

log = structlog.get_logger()

RISK_PERCENT = 90
GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
CHANGES = 8
NOTE = "in the dashboard"

MOVEMENT_NAMES = (
    "at", "kind", "mark", "request_id", "attempt", "provider", "model", "input_tokens", "output_tokens", "cached_input_tokens",
)  # fmt: skip

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class DeveloperMonth:
    """A developer's month. `allowance`: limit and top-ups; `spark`: each day so far, in percent of the highest; `risk`: empty if none.

    None: there is (or, in an earlier month, was) no limit. `ended`: whoever it was is removed, so that nothing is left of this month.
    """

    name: str
    keys: int
    budget: Budget
    allowance: int | None
    left: int | None
    used_percent: int
    forecast: int
    spark: str
    highest_day: int
    risk: str
    refused: int
    removed: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class TeamPage:
    """All that the page shows. Amounts in nano-dollars."""

    name: str
    budget: Budget
    forecast: Forecast
    rows: Sequence[DeveloperMonth]
    removed: Sequence[DeveloperMonth]
    by_day: charts.Chart
    days_left: int
    resets: date
    today: date
    changes: Sequence[tuple[str, LimitChange]]
    refused: int

    @property
    def people(self) -> list[DeveloperMonth]:
        """Return the table's rows: the team's developers, then those who were removed and have spent in the month."""
        return [*self.rows, *self.removed]

    @property
    def early(self) -> int:
        """Count the developers whose pace it is too early to tell."""
        return sum(row.budget.too_early_to_tell for row in self.rows)

    @property
    def at_risk(self) -> list[DeveloperMonth]:
        """List the developers whose limit is reached or forecast to be, the worst first."""
        return sorted((row for row in self.rows if row.risk), key=lambda row: (-row.used_percent, -row.forecast, row.name))

    @property
    def limits(self) -> int | None:
        """Return the sum of all developers' limits, in nano-dollars; None: nobody had one."""
        return _known(row.allowance for row in self.people)

    @property
    def together(self) -> dict[str, int | None]:
        """Return the sums in the table's last row, in nano-dollars."""
        return {
            "spent": sum(row.budget.spent for row in self.people),
            "held": sum(row.budget.held for row in self.people),
            "left": _known(row.left for row in self.people),
            "forecast": sum(row.forecast for row in self.people),
            "added": sum(row.budget.added for row in self.people),
        }


@router.get("/team")
async def team(request: Request) -> Response:
    who = await budget_reader(request)
    chosen = await chosen_month(who.services, request, who.requester.team_id)
    mark = await mark_of(who, "team")
    found = await load_team(who, request, chosen)
    teams = [each.name for each in await administration.list_teams(who.services, who.requester)] if who.requester.is_admin else []
    last = min(chosen.last, found.today)
    return await state_of(request).renderer.page(
        "team.html",
        who,
        team=found,
        teams=teams,
        mark=mark,
        chosen=chosen,
        csv=address(who, f"{PATH}/team.csv", month=chosen.name if chosen.past else None),
        spend=address(who, f"{PATH}/spend", by="developer", **{"from": str(chosen.first), "to": str(last)}),
    )


@router.get("/team.csv")
async def table(request: Request) -> Response:
    """Export the table as CSV with exact amounts."""
    who = await budget_reader(request)
    chosen = await chosen_month(who.services, request, who.requester.team_id)
    if chosen.problem:
        raise InvalidInput(chosen.problem, param="month")
    found = await load_team(who, request, chosen)
    names = ["developer", "spent_usd", "held_usd", "limit_usd", "left_usd", "forecast_usd", "used_percent", "at_risk"]
    lines = [spreadsheet.line([*names, *(["top_ups_usd", "refused_calls"] if chosen.past else [])])]
    for row in found.people:
        amounts = (row.budget.spent, row.budget.held, row.allowance, row.left, row.forecast)
        cells = ("" if each is None else usd_text(each) for each in amounts)
        more = [usd_text(row.budget.added), row.refused] if chosen.past else []
        lines.append(spreadsheet.line([row.name, *cells, row.used_percent, row.risk, *more]))
    return spreadsheet.file("team.csv", "".join(lines))


@router.post("/team/limit")
async def set_team_limit(request: Request) -> Response:
    who = await admin(request)
    given = text_of(await verified_form(request, who), "amount_usd")
    amount = None if not given else _nanousd(given)
    await who.services.budget.budgets.set_team_limits(who.requester, who.requester.team, {"nanousd": amount})
    log.info("dashboard.team_limit_set", team=who.requester.team, nanousd=amount)
    return RedirectResponse(f"{PATH}/team{who.team_query}", status_code=303)


@router.get("/developers/{name:path}/movements.csv")
async def history(request: Request, name: str) -> Response:
    """Export every movement of a developer's budget as CSV with exact amounts, streamed."""
    who = await visitor(request)
    entries = await who.services.budget.budgets.export_movements(
        who.requester, (await administration.show_developer(who.services, who.requester, name)).name
    )
    return spreadsheet.stream(request, "movements.csv", [*MOVEMENT_NAMES, "usd", "unit", "amount", "actor", "note"], entries, _cells)


@router.get("/developers/{name:path}")
async def developer(request: Request, name: str) -> Response:
    who = await visitor(request)
    return await developer_page.shown(request, who, await administration.show_developer(who.services, who.requester, name))


@router.post("/developers/{name:path}/limit")
async def set_limit(request: Request, name: str) -> Response:
    who = await admin(request)
    form = await verified_form(request, who)
    view = await administration.show_developer(who.services, who.requester, name)
    amount = _nanousd(text_of(form, "amount_usd"))
    await who.services.budget.budgets.set_limit(who.requester, view.name, amount, note=NOTE)
    log.info("dashboard.limit_set", developer=view.name, nanousd=amount)
    return _back_to(who, view)


async def load_team(who: Visitor, request: Request, chosen: ChosenMonth) -> TeamPage:
    """Load all that the page shows, in a dozen queries, however many developers there are."""
    spending, budgets = who.services.budget.spending, who.services.budget.budgets
    team_id, zone = who.requester.team_id, state_of(request).renderer.zone
    period, today = chosen.period, spending.today()
    everybody = await administration.list_members(who.services, who.requester, removed=True)
    members = [each for each in everybody if each.removed_at is None]
    months = await budgets.get_many(everybody, period if chosen.past else None)
    if chosen.past:
        own = await budgets.get_team_month(who.requester, period)
        refusals = await spending.read_refusals(team_id, period)
    else:
        own, refusals = await budgets.get_team(who.requester, who.requester.team), {}
    gone = [each for each in everybody if each.removed_at is not None and _left_traces(months[each.id], refusals.get(each.id, 0))]
    days = await spending.read_days([team_id, *(each.id for each in (*members, *gone))], period)
    whole = spending.days_of(period)
    so_far = [each for each in whole if each <= today]

    def row(of: DeveloperView) -> DeveloperMonth:
        by_day = [days.get(of.id, {}).get(one, 0) for one in so_far]
        return _row(of, months[of.id], by_day, refusals.get(of.id, 0), past=chosen.past)

    resets = period.end.astimezone(zone).date()
    together = days.get(team_id, {})
    return TeamPage(
        name=who.requester.team,
        budget=own,
        forecast=Forecast(own.spent) if chosen.past else spending.forecast(own, together),
        rows=[row(each) for each in members],
        removed=[row(each) for each in gone],
        by_day=_by_day(whole, together, today),
        days_left=(resets - today).days,
        resets=resets,
        today=today,
        changes=await _changes(who, chosen, members),
        refused=sum(refusals.values()),
    )


async def _changes(who: Visitor, chosen: ChosenMonth, members: Sequence[DeveloperView]) -> list[tuple[str, LimitChange]]:
    """Return the last changes of limits until the month's end, each with its developer; empty: the team's own."""
    names, until = {each.id: each.name for each in members}, chosen.period.end if chosen.past else None
    changes = await who.services.budget.spending.read_limit_changes(who.requester.team_id, until=until, limit=CHANGES)
    return [(names.get(each.developer_id, "removed developer") if each.developer_id else "", each) for each in changes]


def _by_day(days: Sequence[date], spent: Mapping[date, int], today: date) -> charts.Chart:
    columns = [(str(each.day), formatting.day(each) + (" (today)" if each == today else "")) for each in days]
    amounts = {"spent": [spent.get(each, 0) for each in days]}
    return charts.of_money("by-day", "The team's spending by day", columns, amounts, write=formatting.dollars)


def _cells(each: MovementEntry) -> list[object]:
    amount = each.amount if each.unit == "tokens" or each.amount is None else usd_text(each.amount)
    cells = [getattr(each, name) for name in MOVEMENT_NAMES]
    return [*cells, usd_text(each.nanousd), each.unit, amount, each.actor, each.note]


def _left_traces(budget: Budget, refused: int) -> bool:
    return bool(budget.spent or budget.held or budget.added or refused)


def _known(amounts: Iterable[int | None]) -> int | None:
    """Sum the amounts that there are; None where there are only limits of none."""
    given = list(amounts)
    return sum(each for each in given if each is not None) if not given or any(each is not None for each in given) else None


def _row(view: DeveloperView, budget: Budget, days: Sequence[int], refused: int, *, past: bool) -> DeveloperMonth:
    removed = view.removed_at is not None
    ended = removed and not past
    allowance = None if ended or budget.limit is None else budget.limit + budget.added
    used = 0 if allowance is None else formatting.percent(budget.spent, allowance)
    highest = max(days, default=0)
    return DeveloperMonth(
        name=view.name,
        keys=view.keys,
        budget=budget,
        allowance=allowance,
        left=None if ended else budget.remaining,
        used_percent=used,
        forecast=budget.spent if ended else budget.forecast,
        spark=",".join(str(formatting.permille(each, highest) // 10) for each in days) if highest else "",
        highest_day=highest,
        risk="" if allowance is None else _risk(used, budget.forecast, allowance, budget.spent),
        refused=refused,
        removed=removed,
        ended=ended,
    )


def _risk(used: int, forecast: int, allowance: int, spent: int) -> str:
    if spent and used >= 100:
        return "limit reached"
    if used >= RISK_PERCENT:
        return f"{used} % spent"
    return "pace too high" if forecast > allowance else ""


def _nanousd(given: str) -> int:
    """Parse a typed amount: `12`, `12.50`, `$12.50`, `1,200`. Refuses `12,50`: where a comma is a decimal point, it isn't 1,250."""
    typed = given.removeprefix("$").strip()
    try:
        return from_usd(typed.replace(",", "") if GROUPED.fullmatch(typed) else typed)
    except ValueError as error:
        raise InvalidInput(f"The limit {error}.", param="amount_usd") from None


def _back_to(who: Visitor, view: DeveloperView) -> Response:
    return RedirectResponse(f"{PATH}/developers/{quote(view.name, safe='')}{who.team_query}", status_code=303)
