"""The page "Where sessions get stuck": on what, how long, how it ended, what recurs; by week. Names no developer and quotes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from fastapi import APIRouter, Request, Response

from app.dashboard.charts import Chart, ChartSeries, tones
from app.dashboard.filtering import address, project_of
from app.dashboard.finding_words import state_of_finding, what_shows
from app.dashboard.page_route import DataPageRoute
from app.dashboard.sessions import SESSIONS
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, visitor
from app.services.administration import list_projects
from app.trajectory.analysis import TROUBLE, WEEKS, TroubleWeek
from app.trajectory.patterns import MIN_SESSIONS, OUTCOME_WORDS

PATTERNS_SHOWN = 20

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@router.get("/stuck")
async def stuck(request: Request) -> Response:
    who = await visitor(request)
    chosen = await project_of(who, request.query_params.get("project", "").replace("\x00", ""))
    accounts = who.services.accounts
    project_id = None if chosen.name is None else await accounts.project_named(who.requester.team_id, chosen.name)
    found = await who.services.trajectory.trouble.show(who.requester, project_id=project_id)
    recurring = await who.services.trajectory.patterns.show(
        who.requester, project=chosen.name, min_sessions=MIN_SESSIONS, after=None, limit=PATTERNS_SHOWN
    )
    return await state_of(request).renderer.page(
        "stuck.html",
        who,
        problems=[chosen.problem] if chosen.problem else [],
        project=chosen.name or "",
        projects=sorted(each.name for each in await list_projects(who.services, who.requester)),
        names=await accounts.project_names(who.requester.team_id, {each.project_id for each in found.cases}),
        found=found,
        patterns=recurring.patterns,
        outcome=OUTCOME_WORDS,
        weeks=WEEKS,
        chart=by_week(found.weeks, found.since),
        session=lambda case: address(who, f"{SESSIONS}/{case.session_id}", after=str(case.first - 1)),
        minutes=minutes,
        state=state_of_finding,
        shows=what_shows,
    )


def by_week(weeks: Sequence[TroubleWeek], since: date) -> Chart:
    """Make stacked bars of how often trouble began, a week each."""
    mondays = [since + timedelta(weeks=number) for number in range(WEEKS)]
    times = {name: [0] * WEEKS for name in TROUBLE if any(each.name == name for each in weeks)}
    for each in weeks:
        place = (each.week - since).days // 7
        if 0 <= place < WEEKS:
            times[each.name][place] += each.times
    rows = [(state_of_finding("health", name), row) for name, row in times.items()]
    return Chart(
        id="stuck",
        kind="stacked",
        title=f"How often it began, by week, over {WEEKS} weeks",
        labels=tuple(f"{each:%d %b}" for each in mondays),
        titles=tuple(f"the week of {each.isoformat()}" for each in mondays),
        series=tuple(
            ChartSeries(name, tone, tuple(map(float, row)), tuple(map(str, row)))
            for (name, row), tone in zip(rows, tones([name for name, _ in rows]), strict=True)
        ),
        totals=tuple(str(sum(column)) for column in zip(*times.values(), strict=True)),
        rows="Week",
    )


def minutes(seconds: float | None) -> str:
    """Write how long something lasted, in words of one unit."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"
