"""Tells what coding sessions cost: sums of the request log, with the names of developers, teams, projects and ingested sessions.

A developer sees their own calls, a lead or auditor those of their team, an admin all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.accounts.requester import Requester
from app.accounts.views import DeveloperView
from app.budget.views import CallScope, CallTotals, SessionOrder, SessionShare, SessionSpending, SpendingPlace
from app.clock import in_utc
from app.errors import NotFound
from app.services.services import Services
from app.sessions.session import Session

DEAREST = 10
"""Sessions that a page of a budget shows."""


@dataclass(frozen=True, slots=True)
class SessionCostFilter:
    """Conditions on the sessions to list, by name; `session` and `agent` by the coding agent's own ids. None: any."""

    session: str | None = None
    agent: str | None = None
    project: str | None = None
    developer: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionCost:
    """The cost of a developer's calls of a session. `session_id`: the session in Cairn, None if it wasn't ingested."""

    session: str
    session_id: UUID | None
    title: str | None
    project: str | None
    developer: str | None
    team: str | None
    agents: int
    first_at: datetime
    last_at: datetime
    totals: CallTotals


@dataclass(frozen=True, slots=True)
class SessionCostPage:
    """`next`: the `after` of the page after this one; None: this is the last."""

    sessions: Sequence[SessionCost]
    next: SpendingPlace | None


@dataclass(frozen=True, slots=True)
class AgentCost:
    """The cost of one agent of a session. `agent` None: the main one."""

    agent: str | None
    parent_agent: str | None
    totals: CallTotals


@dataclass(frozen=True, slots=True)
class ModelCost:
    """The cost of one model's answers. `model` None: calls that nobody answered."""

    provider: str | None
    model: str | None
    totals: CallTotals


@dataclass(frozen=True, slots=True)
class SessionCostDetails:
    """The cost of a session in all, by agent and by model, the dearest first. `developers`: those whose calls these are."""

    session: str
    session_id: UUID | None
    first_at: datetime
    last_at: datetime
    developers: Sequence[str]
    agents: Sequence[AgentCost]
    models: Sequence[ModelCost]
    totals: CallTotals


async def list_session_costs(
    services: Services,
    requester: Requester,
    wanted: SessionCostFilter,
    *,
    order: SessionOrder = "recent",
    after: SpendingPlace | None = None,
    limit: int,
) -> SessionCostPage:
    """List what sessions cost: those with the latest calls first, or the dearest. `after`: `next` of the page before."""
    scope = await _scope(services, requester, wanted)
    if wanted.project is not None and wanted.project in await services.accounts.closed_names(requester.team_id, requester.closed):
        return SessionCostPage((), None)
    found = await services.budget.sessions.list_sessions(scope, order=order, after=after, limit=limit + 1)
    page = found[:limit]
    last = SpendingPlace(page[-1].totals.nanousd, page[-1].last_id) if len(found) > limit else None
    return SessionCostPage(await _named(services, requester, page), last)


async def dearest_sessions(
    services: Services, requester: Requester, developer: DeveloperView, *, since: datetime, until: datetime
) -> list[SessionCost]:
    """Return a developer's dearest sessions of a period, for a page of theirs. Checks no permission: who shows the page has."""
    scope = CallScope(team_ids=[developer.team_id], developer_id=developer.id, since=since, until=until)
    return await _named(services, requester, await services.budget.sessions.list_sessions(scope, order="cost", limit=DEAREST))


async def show_session_cost(services: Services, requester: Requester, session: str) -> SessionCostDetails:
    """Show what a session cost, by its agent's own id. NotFound if no call of it is known that the requester may see."""
    scope = await _scope(services, requester, SessionCostFilter(session=session))
    ingested = await services.sessions.browsing.find_named(scope.team_ids or (), [session])
    seen = (each.id for each in ingested.values() if each.project_id not in requester.closed)
    found = await _details(services, scope, next(seen, None))
    if found is None:
        said = "The request log has no calls of this session that you may see."
        raise NotFound(f"{said} List sessions with `cairn budget sessions` or GET /v1/budget/sessions.")
    return found


async def cost_of(services: Services, requester: Requester, session: Session) -> SessionCostDetails | None:
    """Tell what an ingested session cost; None if no call of it is known that the requester may see."""
    requester.check("read")
    scope = CallScope(team_ids=[session.team_id], developer_id=_only(requester), session=session.external_id)
    return await _details(services, scope, session.id)


async def _scope(services: Services, requester: Requester, wanted: SessionCostFilter) -> CallScope:
    """Return the calls that a requester sees of those wanted. NotPermitted for another's where only their own are seen."""
    requester.check("read")
    developer_id = _only(requester)
    teams = [each.id for each in await services.accounts.list_teams()] if requester.is_admin else [requester.team_id]
    if wanted.developer is not None and wanted.developer != requester.developer:
        requester.check("read_team_budget")
        developer = await services.accounts.find_developer(wanted.developer, team_id=None if requester.is_admin else requester.team_id)
        developer_id = developer.id
    elif wanted.developer is not None:
        developer_id = requester.developer_id
    return CallScope(
        team_ids=teams,
        developer_id=developer_id,
        session=wanted.session,
        agent=wanted.agent,
        project=wanted.project,
        project_sessions=() if wanted.project is None else await _sessions_of(services, teams, wanted.project),
        since=None if wanted.since is None else in_utc(wanted.since, "since"),
        until=None if wanted.until is None else in_utc(wanted.until, "until"),
    )


def _only(requester: Requester) -> UUID | None:
    """Return the one developer whose calls the requester sees; None: all of the scope's teams."""
    return None if requester.may("read_team_budget") else requester.developer_id


async def _sessions_of(services: Services, teams: Sequence[UUID], project: str) -> list[str]:
    """Return the agents' own ids of the ingested sessions of the projects of this name."""
    found: list[str] = []
    for team_id in teams:
        if (project_id := await services.accounts.project_named(team_id, project)) is not None:
            found += await services.sessions.browsing.names_in(team_id, project_id)
    return found


async def _named(services: Services, requester: Requester, page: Sequence[SessionSpending]) -> list[SessionCost]:
    """Add names, but none of a project that is closed to the requester, nor its sessions: only what they cost is told of those."""
    teams = {each.team_id for each in page}
    names = await services.accounts.names({each.developer_id for each in page} | teams)
    known = await services.sessions.browsing.find_named(teams, {each.session for each in page})
    ingested = {key: session for key, session in known.items() if session.project_id not in requester.closed}
    closed = await services.accounts.closed_names(requester.team_id, requester.closed)
    page = [replace(each, project=None) if each.project in closed else each for each in page]
    projects: dict[UUID, str] = {}
    for team_id in teams:
        wanted = {session.project_id for session in ingested.values() if session.team_id == team_id}
        projects |= await services.accounts.project_names(team_id, wanted)
    return [_cost(each, names, ingested.get((each.team_id, each.session)), projects) for each in page]


def _cost(spent: SessionSpending, names: Mapping[UUID, str], ingested: Session | None, projects: Mapping[UUID, str]) -> SessionCost:
    return SessionCost(
        session=spent.session,
        session_id=None if ingested is None else ingested.id,
        title=None if ingested is None else ingested.title,
        project=spent.project or (None if ingested is None else projects.get(ingested.project_id)),
        developer=names.get(spent.developer_id),
        team=names.get(spent.team_id),
        agents=spent.agents,
        first_at=spent.first_at,
        last_at=spent.last_at,
        totals=spent.totals,
    )


async def _details(services: Services, scope: CallScope, session_id: UUID | None) -> SessionCostDetails | None:
    assert scope.session is not None
    shares = await services.budget.sessions.read_shares(scope)
    if not shares:
        return None
    names = await services.accounts.names({each.developer_id for each in shares})
    return SessionCostDetails(
        session=scope.session,
        session_id=session_id,
        first_at=min(each.first_at for each in shares),
        last_at=max(each.last_at for each in shares),
        developers=sorted(names.values()),
        agents=[AgentCost(*key, totals) for key, totals in _summed(shares, lambda each: (each.agent, each.parent_agent))],
        models=[ModelCost(*key, totals) for key, totals in _summed(shares, lambda each: (each.provider, each.model))],
        totals=sum((each.totals for each in shares), CallTotals()),
    )


def _summed(
    shares: Sequence[SessionShare], key: Callable[[SessionShare], tuple[str | None, str | None]]
) -> list[tuple[tuple[str | None, str | None], CallTotals]]:
    """Sum the shares by `key`, the dearest first."""
    sums: dict[tuple[str | None, str | None], CallTotals] = defaultdict(CallTotals)
    for each in shares:
        sums[key(each)] += each.totals
    return sorted(sums.items(), key=lambda pair: -pair[1].nanousd)
