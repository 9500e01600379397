"""Routes and schemas of what coding sessions cost, in dollars and in tokens: a developer's own, a team's for its lead or auditor."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from app.api.periods import Moment, check_period
from app.api.schema import AccountName, Plain, ProjectFilter, ResponseBody
from app.budget.views import CallTotals, SessionOrder, SpendingPlace
from app.money import to_usd
from app.services.session_costs import SessionCost, SessionCostDetails, SessionCostFilter, list_session_costs, show_session_cost
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.key_headers import MAX_ORIGIN_CHARS
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/budget/sessions", tags=["budget"], route_class=AuthenticatedRoute)

AgentsOwnId = Annotated[Plain, Field(min_length=1, max_length=MAX_ORIGIN_CHARS)]


class CallTotalsReply(ResponseBody):
    """Sums over calls, as they were charged when they ended. A later correction changes the budget, not these sums."""

    requests: int
    cached: int = Field(description="Number of requests that a cache of Cairn's answered: they cost nothing.")
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = Field(description="The part of `input_tokens` that came from the provider's own cache.")
    cost_usd: float
    saved_usd: float = Field(description="What the requests that a cache answered would have cost.")


class SessionCostReply(CallTotalsReply):
    """The cost of a developer's calls of one session."""

    session: str = Field(
        description="The session's id in the agent that made the calls.", examples=["01a2272e-a579-7990-9f08-77e546571c8c"]
    )
    session_id: UUID | None = Field(description="The session in Cairn. Null: it wasn't ingested.")
    title: str | None
    project: str | None = Field(description="As the calls name it (`x-cairn-project`), else that of the ingested session.")
    developer: str | None = Field(examples=["ada"])
    team: str | None = Field(examples=["default"])
    agents: int = Field(description="Number of agents that made calls, besides the main one.")
    first_at: datetime
    last_at: datetime


class SessionCostList(ResponseBody):
    sessions: list[SessionCostReply]
    next_cursor: NextCursor


class AgentCostReply(CallTotalsReply):
    agent: str | None = Field(description="Null: the session's main agent.")
    parent_agent: str | None = Field(description="The agent that started it. Null: the main one.")


class ModelCostReply(CallTotalsReply):
    provider: str | None
    model: str | None = Field(description="The model that answered. Null: calls that nobody answered.")


class SessionCostDetailsReply(CallTotalsReply):
    """The cost of a session in all, by agent and by model, the dearest first."""

    session: str
    session_id: UUID | None
    developers: list[str] = Field(description="Developers whose calls these are.")
    first_at: datetime
    last_at: datetime
    agents: list[AgentCostReply]
    models: list[ModelCostReply]


@router.get("", summary="List what coding sessions cost", responses=responses())
async def list_costs(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    session: Annotated[AgentsOwnId | None, Query(description="Only this session, by its agent's own id.")] = None,
    agent: Annotated[AgentsOwnId | None, Query(description="Only calls of this agent and of those that it started.")] = None,
    developer: Annotated[AccountName | None, Query(description="Only this developer's calls.")] = None,
    since: Annotated[Moment | None, Query(description="Only calls at this time or later. Without a time zone: UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Only calls before this time.")] = None,
    order: Annotated[SessionOrder, Query(description="`recent`: the latest calls first. `cost`: the most expensive first.")] = "recent",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    paging: Page,
) -> SessionCostList:
    check_period(since, until)
    after = None if paging.after is None else SpendingPlace(*map(int, paging.after.split(" ")))
    wanted = SessionCostFilter(session, agent, project, developer, since, until)
    page = await list_session_costs(services, caller, wanted, order=order, after=after, limit=limit)
    last = None if page.next is None else f"{page.next.nanousd} {page.next.last_id}"
    return SessionCostList(sessions=[_listed(each) for each in page.sessions], next_cursor=paging.next_cursor(last))


@router.get("/{session}", summary="Show what a coding session cost, by agent and by model", responses=responses())
async def show_cost(
    services: TheServices, caller: Reader, session: Annotated[AgentsOwnId, Path(description="The session's id in its agent.")]
) -> SessionCostDetailsReply:
    return cost_reply(await show_session_cost(services, caller, session))


def cost_reply(cost: SessionCostDetails) -> SessionCostDetailsReply:
    return SessionCostDetailsReply(
        session=cost.session,
        session_id=cost.session_id,
        developers=list(cost.developers),
        first_at=cost.first_at,
        last_at=cost.last_at,
        agents=[AgentCostReply(agent=each.agent, parent_agent=each.parent_agent, **_sums(each.totals)) for each in cost.agents],
        models=[ModelCostReply(provider=each.provider, model=each.model, **_sums(each.totals)) for each in cost.models],
        **_sums(cost.totals),
    )


def _listed(cost: SessionCost) -> SessionCostReply:
    named = {name: getattr(cost, name) for name in SessionCostReply.model_fields if name not in CallTotalsReply.model_fields}
    return SessionCostReply(**named, **_sums(cost.totals))


def _sums(totals: CallTotals) -> dict[str, float]:
    """Return the fields of CallTotalsReply."""
    counted = {name: getattr(totals, name) for name in CallTotalsReply.model_fields if not name.endswith("_usd")}
    return {**counted, "cost_usd": to_usd(totals.nanousd), "saved_usd": to_usd(totals.saved_nanousd)}
