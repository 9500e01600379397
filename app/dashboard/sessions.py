"""Pages of sessions: list them by project, developer, agent, date and subject; read one; what was learnt from it, and sessions like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.dashboard.filtering import AddressFilters, address, before_of, period_of, project_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.timeline import draw
from app.dashboard.visitor import PATH, Visitor, text_of, verified_form, visitor
from app.errors import InvalidInput, NotFound
from app.knowledge.item import Item, ItemFilter
from app.services.administration import list_projects
from app.services.browsing import SessionScope, export_team_sessions, list_team_sessions
from app.services.session_costs import cost_of
from app.sessions.reader import ShownEvents, ShownSession
from app.sessions.session import Session, SessionFilter
from app.storage.pages import EntryPage
from app.storage.tables import AnyRow
from app.trajectory.analysis import ShownAnalysis
from app.trajectory.intent import INTENTS
from app.trajectory.patterns import RecurringTrouble
from app.web.browsing_csv import csv_of_sessions

log = structlog.get_logger()

SESSIONS = f"{PATH}/sessions"
PAGE, ITEMS_SHOWN, LIKE_SHOWN, EXCHANGES_SHOWN = 50, 50, 5, 40
AROUND, READ, EVENT_CHARS = 4, 20, 6000
FOLDED_CHARS = 1500
"""Longer texts are folded."""
SCROLLED_CHARS, SCROLLED_LINES = 500, 14
"""Longer texts may be scrolled, on a phone or a screen: the keyboard reaches them."""
MAX_LOCATOR_CHARS = 1000

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SessionListFilters(AddressFilters):
    """Filters of the list of sessions, as the address has them."""

    project: str
    developer: str
    provider: str
    since: str
    until: str
    subject: str
    order: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """The list that an address asks for, without what can't be obeyed, which `problems` tell."""

    filters: SessionListFilters
    wanted: SessionFilter
    scope: SessionScope
    problems: Sequence[str]


@router.get("/sessions")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    view = await _view(who, request)
    problems, page = list(view.problems), EntryPage[ShownSession]((), None)
    try:
        page = await _page(who, view, before_of(request))
    except (InvalidInput, NotFound) as error:
        problems.append(error.message)
        page = await _page(who, view, None)
    sessions, filters = who.services.sessions.reader, view.filters
    projects = await list_projects(who.services, who.requester)
    return await state_of(request).renderer.page(
        "sessions.html",
        who,
        filters=filters,
        problems=problems,
        sessions=page.entries,
        learnt=await who.services.knowledge.reader.learnt_from(who.requester, [each.session.id for each in page.entries], limit=1),
        further=address(who, SESSIONS, **filters.query, before=page.next) if page.next else None,
        only=lambda **more: address(who, SESSIONS, **filters.query | more),
        csv=address(who, f"{SESSIONS}.csv", **filters.query),
        projects=sorted(each.name for each in projects),
        showing={each.id for each in projects if each.prompts_shown_since is not None},
        providers=await sessions.agents(who.requester),
        developers=await sessions.developers(who.requester),
    )


@router.get("/sessions.csv")
async def table(request: Request) -> Response:
    """Export all sessions that the page's filters find. Raises what the page tells: a file has no place for it."""
    who = await visitor(request)
    view = await _view(who, request)
    if view.problems:
        raise InvalidInput(view.problems[0])
    found = await export_team_sessions(who.services, who.requester, view.wanted, view.scope)
    return csv_of_sessions(request, found)


@router.get("/sessions/{session_id}")
async def read(request: Request, session_id: UUID, at: str = "", after: int = 0) -> Response:
    """Show part of a session: around the place that a result cites, else after a sequence number. Transcript text is marked as quoted."""
    who = await visitor(request)
    sessions = who.services.sessions.reader
    shown = await sessions.show(who.requester, session_id)
    session, place = shown.session, at.replace("\x00", "")[:MAX_LOCATOR_CHARS]
    if place:
        found = await sessions.events(who.requester, shown, around=place, limit=AROUND, max_chars=EVENT_CHARS)
    else:
        begin = min(max(0, after), session.event_count)
        found = await sessions.events(who.requester, shown, after=begin, limit=READ, max_chars=EVENT_CHARS)
    here, events = f"{SESSIONS}/{session_id}", found.page.events
    earlier = address(who, here, after=str(max(0, events[0][0] - 1 - READ))) if found.page.earlier else None
    later = address(who, here, after=str(events[-1][0])) if found.page.later else None
    return await state_of(request).renderer.page(
        "session.html",
        who,
        session=session,
        shown=shown,
        access=found.access,
        events=events,
        cited=found.cited,
        gone=bool(place) and found.cited is None,
        most_chars=EVENT_CHARS,
        folded_chars=FOLDED_CHARS,
        scrolled_chars=SCROLLED_CHARS,
        scrolled_lines=SCROLLED_LINES,
        only=lambda **filters: address(who, SESSIONS, **filters),
        learnt=await _learnt(who, session_id),
        cost=await cost_of(who.services, who.requester, session),
        similar=None if place or after else await who.services.trajectory.similar.find(who.requester, session_id, limit=LIKE_SHOWN),
        **await _analysed(who, session, found),
        event=lambda seq: address(who, here, after=str(seq - 1)),
        occurrence=lambda one: address(who, f"{SESSIONS}/{one.session_id}", after=str(one.first - 1)),
        earlier=earlier,
        later=later,
    )


async def _analysed(who: Visitor, session: Session, found: ShownEvents) -> Mapping[str, Any]:
    """Return what the page tells of a session's analysis, and of the intents of the prompts that it shows."""
    trajectory = who.services.trajectory
    analysis = await trajectory.reader.show(who.requester, session.id, limit=EXCHANGES_SHOWN)
    return {
        "analysis": analysis,
        "intents": await trajectory.intents.explaining.explain(session, found.page.events) if found.access.shown else {},
        "every_intent": INTENTS,
        "corrects": who.requester.may("write") and who.requester.may_change(session.developer_id),
        "timeline": draw(analysis),
        "patterns": await _patterns(who, analysis),
    }


@router.post("/sessions/{session_id}/prompts/{seq}/intent")
async def correct_intent(request: Request, session_id: UUID, seq: int) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    intent = text_of(form, "intent")
    if intent not in INTENTS:
        raise InvalidInput(f"intent must be one of {', '.join(INTENTS)}.", param="intent")
    await who.services.trajectory.intents.correcting.correct(who.requester, session_id, seq, intent)
    log.info("dashboard.intent_corrected", session=str(session_id), seq=seq, intent=intent)
    return RedirectResponse(f"{address(who, f'{SESSIONS}/{session_id}', after=str(max(0, seq - 1)))}#prompt-{seq}", status_code=303)


async def _view(who: Visitor, request: Request) -> SessionView:
    filters = SessionListFilters.of(request)
    project, period = await project_of(who, filters.project), period_of(filters.since, filters.until)
    problems, developer = [*filter(None, [project.problem]), *period.problems], filters.developer or None
    if developer is not None:
        try:
            await who.services.accounts.find_developer(developer, team_id=who.requester.team_id)
        except (InvalidInput, NotFound):
            problems.append(f"The team has no developer “{developer}” (any more). This view ignores that filter.")
            developer = None
    oldest = filters.order == "oldest"
    wanted = SessionFilter(None, filters.provider or None, period.since, period.until, filters.subject, oldest_first=oldest)
    return SessionView(filters, wanted, SessionScope(project.name, developer), problems)


async def _page(who: Visitor, view: SessionView, before: UUID | None) -> EntryPage[ShownSession]:
    return await list_team_sessions(who.services, who.requester, view.wanted, view.scope, before=before, limit=PAGE)


async def _patterns(who: Visitor, analysis: ShownAnalysis) -> Sequence[RecurringTrouble]:
    """Return what other sessions show of the troubles in the exchanges that are shown."""
    if not analysis.exchanges:
        return []
    first, last = analysis.exchanges[0].first, analysis.exchanges[-1].last
    return await who.services.trajectory.patterns.of_session(who.requester, analysis.shown.session.id, first=first, last=last)


async def _learnt(who: Visitor, session_id: UUID) -> Sequence[Item | AnyRow]:
    page = await who.services.knowledge.reader.list(who.requester, ItemFilter(session_id=session_id), limit=ITEMS_SHOWN)
    return [each.item for each in page.entries]
