"""The page "Team", for admins: spending and risk by developer; limits and keys are changed here. Changes record their author."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse, StreamingResponse

from app.accounts.views import DeveloperView
from app.budget.views import Budget, Forecast, LimitChange, MovementEntry
from app.dashboard import budget as developer_page
from app.dashboard import charts, formatting
from app.dashboard.live import mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, text_of, verified_form
from app.errors import InvalidInput
from app.money import from_usd, usd_text
from app.services import administration
from app.web import spreadsheet
from app.web.fair_turns import exports_of

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
    """A developer's month. `allowance`: limit and top-ups; `spark`: each day so far, in percent of the highest; `risk`: empty if none."""

    name: str
    keys: int
    budget: Budget
    allowance: int
    left: int
    used_percent: int
    forecast: int
    spark: str
    highest_day: int
    risk: str


@dataclass(frozen=True, slots=True)
class TeamPage:
    """All that the page shows. Amounts in nano-dollars."""

    name: str
    budget: Budget
    forecast: Forecast
    rows: Sequence[DeveloperMonth]
    by_day: charts.Chart
    days_left: int
    resets: date
    today: date
    changes: Sequence[tuple[str, LimitChange]]

    @property
    def at_risk(self) -> list[DeveloperMonth]:
        """Developers whose limit is reached or forecast to be, the worst first."""
        return sorted((row for row in self.rows if row.risk), key=lambda row: (-row.used_percent, -row.forecast, row.name))

    @property
    def limits(self) -> int:
        """The sum of all developers' limits, in nano-dollars."""
        return sum(row.allowance for row in self.rows)

    @property
    def together(self) -> dict[str, int]:
        """The sums in the table's last row, in nano-dollars."""
        return {
            "spent": sum(row.budget.spent for row in self.rows),
            "held": sum(row.budget.held for row in self.rows),
            "left": sum(row.left for row in self.rows),
            "forecast": sum(row.forecast for row in self.rows),
        }


@router.get("/team")
async def team(request: Request) -> Response:
    who = await admin(request)
    mark = await mark_of(who, "team", None)
    found = await load_team(who, request)
    teams = [each.name for each in await administration.list_teams(who.services, who.requester)]
    return await state_of(request).renderer.page("team.html", who, team=found, teams=teams, mark=mark)


@router.get("/team.csv")
async def table(request: Request) -> Response:
    """Export the table as CSV with exact amounts."""
    who = await admin(request)
    found = await load_team(who, request)
    lines = [spreadsheet.line(["developer", "spent_usd", "held_usd", "limit_usd", "left_usd", "forecast_usd", "used_percent", "at_risk"])]
    for row in found.rows:
        amounts = (row.budget.spent, row.budget.held, row.allowance, row.left, row.forecast)
        lines.append(spreadsheet.line([row.name, *(usd_text(each) for each in amounts), row.used_percent, row.risk]))
    headers = {"content-disposition": 'attachment; filename="team.csv"', "cache-control": "no-store"}
    return Response("".join(lines), media_type="text/csv; charset=utf-8", headers=headers)


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
    who = await admin(request)
    entries = await who.services.budget.budgets.export_movements(who.requester, (await _developer_named(who, name)).name)
    headers = {"content-disposition": 'attachment; filename="movements.csv"', "cache-control": "no-store"}
    lines = exports_of(request).lines(spreadsheet.line([*MOVEMENT_NAMES, "usd", "unit", "amount", "actor", "note"]), entries, _line)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/developers/{name:path}")
async def developer(request: Request, name: str) -> Response:
    who = await admin(request)
    return await developer_page.shown(request, who, await _developer_named(who, name))


@router.post("/developers/{name:path}/limit")
async def set_limit(request: Request, name: str) -> Response:
    who = await admin(request)
    form, view = await verified_form(request, who), await _developer_named(who, name)
    amount = _nanousd(text_of(form, "amount_usd"))
    await who.services.budget.budgets.set_limit(who.requester, view.name, amount, note=NOTE)
    log.info("dashboard.limit_set", developer=view.name, nanousd=amount)
    return _back_to(who, view)


@router.post("/developers/{name:path}/keys")
async def create_key(request: Request, name: str) -> Response:
    """Create a key and show it; no redirect, since a key can be shown only this once."""
    who = await admin(request)
    await verified_form(request, who)
    view = await _developer_named(who, name)
    key_id, key = await administration.create_key(who.services, who.requester, view.name)
    log.info("dashboard.key_created", developer=view.name, key=str(key_id))
    return await developer_page.shown(request, who, view, new_key=key, status=201)


@router.post("/developers/{name:path}/keys/{key_id}/revoke")
async def revoke_key(request: Request, name: str, key_id: UUID) -> Response:
    who = await admin(request)
    await verified_form(request, who)
    view = await _developer_named(who, name)
    await administration.revoke_key(who.services, who.requester, key_id, owner=view)
    log.info("dashboard.key_revoked", developer=view.name, key=str(key_id))
    return _back_to(who, view)


async def load_team(who: Visitor, request: Request) -> TeamPage:
    """Load all that the page shows, in a dozen queries, however many developers there are."""
    spending, budgets = who.services.budget.spending, who.services.budget.budgets
    team_id, zone = who.requester.team_id, state_of(request).renderer.zone
    period, today = spending.month(), spending.today()
    members = await who.services.accounts.list_developers(team_id=team_id)
    months = await budgets.get_many(members)
    own = await budgets.get_team(who.requester, who.requester.team)
    days = await spending.read_days([team_id, *(each.id for each in members)], period)
    whole = spending.days_of(period)
    so_far = [each for each in whole if each <= today]
    resets = period.end.astimezone(zone).date()
    names = {each.id: each.name for each in members}
    changes = await spending.read_limit_changes(team_id, limit=CHANGES)
    together = days.get(team_id, {})
    return TeamPage(
        name=who.requester.team,
        budget=own,
        forecast=spending.forecast(own.spent, together),
        rows=[_row(each, months[each.id], [days.get(each.id, {}).get(one, 0) for one in so_far]) for each in members],
        by_day=charts.of_money(
            "by-day",
            "The team's spending by day",
            [(str(each.day), formatting.day(each) + (" (today)" if each == today else "")) for each in whole],
            {"spent": [together.get(each, 0) for each in whole]},
            write=formatting.dollars,
        ),
        days_left=(resets - today).days,
        resets=resets,
        today=today,
        changes=[(names.get(each.developer_id, "") if each.developer_id else "", each) for each in changes],
    )


def _line(each: MovementEntry) -> str:
    amount = each.amount if each.unit == "tokens" or each.amount is None else usd_text(each.amount)
    cells = [getattr(each, name) for name in MOVEMENT_NAMES]
    return spreadsheet.line([*cells, usd_text(each.nanousd), each.unit, amount, each.actor, each.note])


def _row(view: DeveloperView, budget: Budget, days: Sequence[int]) -> DeveloperMonth:
    allowance = (budget.limit or 0) + budget.added
    used, highest = formatting.percent(budget.spent, allowance), max(days, default=0)
    return DeveloperMonth(
        name=view.name,
        keys=view.keys,
        budget=budget,
        allowance=allowance,
        left=budget.remaining or 0,
        used_percent=used,
        forecast=budget.forecast,
        spark=",".join(str(formatting.permille(each, highest) // 10) for each in days) if highest else "",
        highest_day=highest,
        risk=_risk(used, budget.forecast, allowance, budget.spent),
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


async def _developer_named(who: Visitor, name: str) -> DeveloperView:
    """Return a developer of any team: an admin may see all. NotFound for an unknown name."""
    return await who.services.accounts.find_developer(name)


def _back_to(who: Visitor, view: DeveloperView) -> Response:
    return RedirectResponse(f"{PATH}/developers/{quote(view.name, safe='')}{who.team_query}", status_code=303)
