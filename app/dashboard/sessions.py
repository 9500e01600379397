"""Pages of sessions: list them by project, agent, date and subject; read one from any place; the items learnt from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dashboard.filtering import AddressFilters, address, moment_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.knowledge.item import Item, ItemFilter
from app.services.administration import list_projects
from app.services.session_costs import cost_of
from app.sessions.reader import SessionPage
from app.sessions.session import SessionFilter
from app.storage.tables import AnyRow

SESSIONS = f"{PATH}/sessions"
PAGE, ITEMS_SHOWN = 50, 50
AROUND, READ, EVENT_CHARS = 4, 20, 6000
MAX_LOCATOR_CHARS = 1000

router = APIRouter(prefix=SESSIONS, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SessionListFilters(AddressFilters):
    """Filters of the list of sessions."""

    project: str
    provider: str
    since: str
    until: str
    subject: str

    @property
    def filter(self) -> SessionFilter:
        """All filters but the project, which is passed by name. Raises InvalidInput for an invalid date."""
        since, until = moment_of(self.since, "since"), moment_of(self.until, "until")
        return SessionFilter(None, self.provider or None, since, until, self.subject)


@router.get("")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    sessions, team_id = who.services.sessions, who.requester.team_id
    filters, problem, page = SessionListFilters.of(request), "", SessionPage((), None)
    try:
        before, project = _uuid(request.query_params.get("before", "")), filters.project or None
        page = await sessions.reader.list(who.requester, filters.filter, project=project, before=before, limit=PAGE)
    except (InvalidInput, NotFound) as error:
        problem = error.message
    projects = await list_projects(who.services, who.requester)
    return await state_of(request).renderer.page(
        "sessions.html",
        who,
        filters=filters,
        problem=problem,
        sessions=[(each.session, each.project) for each in page.sessions],
        further=address(who, SESSIONS, **filters.query, before=str(page.next)) if page.next else None,
        projects=sorted(each.name for each in projects),
        providers=await sessions.browsing.providers(team_id),
    )


@router.get("/{session_id}")
async def read(request: Request, session_id: UUID, at: str = "", after: int = 0) -> Response:
    """Show part of a session: around the place that a result cites, else after a sequence number. Transcript text is marked as quoted."""
    who = await visitor(request)
    browsing = who.services.sessions.browsing
    shown = await who.services.sessions.reader.show(who.requester, session_id)
    session = shown.session
    cited = None
    if place := at.replace("\x00", "")[:MAX_LOCATOR_CHARS]:
        stretch, cited = await browsing.around(session_id, place, events=AROUND, max_chars=EVENT_CHARS)
    else:
        stretch = await browsing.read(session_id, after=min(max(0, after), session.event_count), limit=READ, max_chars=EVENT_CHARS)
    here, events = f"{SESSIONS}/{session_id}", stretch.events
    return await state_of(request).renderer.page(
        "session.html",
        who,
        session=session,
        project=shown.project,
        events=events,
        cited=cited,
        gone=bool(place) and cited is None,
        most_chars=EVENT_CHARS,
        earlier=address(who, here, after=str(max(0, events[0][0] - 1 - READ))) if stretch.earlier else None,
        later=address(who, here, after=str(events[-1][0])) if stretch.later else None,
        learnt=await _learnt(who, session_id),
        cost=await cost_of(who.services, who.requester, session),
    )


async def _learnt(who: Visitor, session_id: UUID) -> Sequence[Item | AnyRow]:
    page = await who.services.knowledge.reader.list(who.requester, ItemFilter(session_id=session_id), limit=ITEMS_SHOWN)
    return [each.item for each in page.items]


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise InvalidInput("The page in this address is not one of ours: go back to the first page.", param="before") from None
