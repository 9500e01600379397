"""Sessions: listed by project, agent, date and subject; read on from any place; what was learnt from each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dashboard.desk import desk_of
from app.dashboard.filtering import AddressFilters, address, moment_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.knowledge.browsing import Filter as Learnt
from app.sessions.browsing import Filter
from app.sessions.journal import Session
from app.storage.tables import AnyRow

SESSIONS = f"{PATH}/sessions"
PAGE, ITEMS_SHOWN = 50, 50
AROUND, READ, EVENT_CHARS = 4, 20, 6000
MAX_LOCATOR_CHARS = 1000

router = APIRouter(prefix=SESSIONS, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ListFilters(AddressFilters):
    """Filters of the list of sessions."""

    project: str
    provider: str
    since: str
    until: str
    subject: str

    async def filter(self, who: Visitor) -> Filter | None:
        """None: there is no such project, so it has no sessions. InvalidInput for a date that can't be."""
        since, until = moment_of(self.since, "since"), moment_of(self.until, "until")
        project = await who.services.accounts.project_named(who.requester.team_id, self.project) if self.project else None
        return None if self.project and project is None else Filter(project, self.provider or None, since, until, self.subject)


@router.get("")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    browsing, team_id = who.services.sessions.browsing, who.requester.team_id
    filters, problem, found = ListFilters.of(request), "", list[Session]()
    try:
        if (wanted := await filters.filter(who)) is not None:
            found = list(await browsing.page(team_id, wanted, before=_uuid(request.query_params.get("before", "")), limit=PAGE + 1))
    except (InvalidInput, NotFound) as error:
        problem = error.message
    projects = {each.id: each.name for each in await who.services.accounts.find_projects(team_id)}
    shown = found[:PAGE]
    return await desk_of(request).renderer.page(
        "sessions.html",
        who,
        filters=filters,
        problem=problem,
        sessions=[(each, projects.get(each.project_id, "")) for each in shown],
        further=address(who, SESSIONS, **filters.query, before=str(shown[-1].id)) if len(found) > PAGE else None,
        projects=sorted(projects.values()),
        providers=await browsing.providers(team_id),
    )


@router.get("/{session_id}")
async def read(request: Request, session_id: UUID, at: str = "", after: int = 0) -> Response:
    """A stretch of a session: around the place that a result cites, else from a seq on. What a transcript says is marked as quoted."""
    who = await visitor(request)
    browsing, team_id = who.services.sessions.browsing, who.requester.team_id
    session = await who.services.journal.get(team_id, session_id)
    cited = None
    if place := at.replace("\x00", "")[:MAX_LOCATOR_CHARS]:
        stretch, cited = await browsing.around(session_id, place, events=AROUND, max_chars=EVENT_CHARS)
    else:
        stretch = await browsing.read(session_id, after=min(max(0, after), session.event_count), limit=READ, max_chars=EVENT_CHARS)
    here, events = f"{SESSIONS}/{session_id}", stretch.events
    names = await who.services.accounts.project_names(team_id, [session.project_id])
    return await desk_of(request).renderer.page(
        "session.html",
        who,
        session=session,
        project=names.get(session.project_id, ""),
        events=events,
        cited=cited,
        gone=bool(place) and cited is None,
        most_chars=EVENT_CHARS,
        earlier=address(who, here, after=str(max(0, events[0][0] - 1 - READ))) if stretch.earlier else None,
        later=address(who, here, after=str(events[-1][0])) if stretch.later else None,
        learnt=await _learnt(who, session_id),
    )


async def _learnt(who: Visitor, session_id: UUID) -> Sequence[AnyRow]:
    page = await who.services.knowledge.browsing.page(who.requester.team_id, Learnt(session_id=session_id), limit=ITEMS_SHOWN)
    return page.items


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise InvalidInput("This page's address is not one of ours: begin with the first page.", param="before") from None
