"""Tells which sessions go on now: whose, in which project, what they do, what they cost, what was learnt from them.

Everybody of a team sees its sessions, as in the list of all, but those of projects that are closed to them. Of their cost a developer sees
their own calls, a lead or auditor the team's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath, PureWindowsPath
from uuid import UUID

from app import clock
from app.accounts.requester import Requester
from app.budget.views import CallTotals
from app.knowledge.item import LearntItems
from app.services.services import Services
from app.sessions.event import Outcome
from app.sessions.session import Activity, Session

UNDER_WAY = timedelta(minutes=15)
"""A session goes on while its last event is not older: a build or a long answer may be silent for as long."""
MAX_SESSIONS, NEWEST_ITEMS = 30, 3
PROMPT_CHARS, CALL_CHARS = 240, 120


@dataclass(frozen=True, slots=True)
class SessionUnderWay:
    """A session that goes on. `title`: its own, else its agent and project. `prompt`, `call`: one line of each, a prompt of one's own only.

    `developer` None: sent with the admin key, or by somebody who is gone. `files`: as seen from the session's folder. `cost` None: no call
    of it is known that the requester may see.
    """

    session: Session
    title: str
    project: str
    developer: str | None
    last_at: datetime
    prompt: str
    tool: str
    call: str
    outcome: Outcome | None
    files: tuple[str, ...]
    cost: CallTotals | None
    learnt: LearntItems


@dataclass(frozen=True, slots=True)
class UnderWayList:
    """Sessions under way, the last to be heard of first. `more`: there are others. `since`: the moment since which each has an event."""

    sessions: Sequence[SessionUnderWay]
    more: bool
    since: datetime


async def list_under_way(services: Services, requester: Requester, *, project: str | None = None) -> UnderWayList:
    """List the team's sessions that go on, of the named project or of all."""
    since = clock.now() - UNDER_WAY
    found = await _find(services, requester, since, project)
    sessions = found[:MAX_SESSIONS]
    if not sessions:
        return UnderWayList((), more=False, since=since)
    ids = [each.id for each in sessions]
    activities = await services.sessions.under_way.activities(ids)
    learnt = await services.knowledge.reader.learnt_from(requester, ids, limit=NEWEST_ITEMS)
    costs = await _costs(services, requester, sessions)
    projects = await services.accounts.project_names(requester.team_id, {each.project_id for each in sessions})
    names = await services.accounts.names({each.developer_id for each in sessions if each.developer_id is not None})
    shown = [
        compose(
            each,
            project=projects[each.project_id],
            developer=None if each.developer_id is None else names.get(each.developer_id),
            activity=_seen(requester, each, activities.get(each.id, Activity())),
            cost=costs.get(each.external_id),
            learnt=learnt.get(each.id, LearntItems(0, ())),
        )
        for each in sessions
        if each.project_id in projects
    ]
    return UnderWayList(shown, more=len(found) > MAX_SESSIONS, since=since)


async def under_way_mark(services: Services, requester: Requester, *, project: str | None = None) -> str:
    """Return a text that changes whenever what `list_under_way` tells of a project, or of all, does, or whose sessions are captured.

    That is at an event, an item, a cost, a session that falls silent; and of captures at most once a minute.
    """
    captures = await services.sessions.captures.lately(requester)
    sessions = await _find(services, requester, clock.now() - UNDER_WAY, project)
    learnt = await services.knowledge.reader.learnt_from(requester, [each.id for each in sessions], limit=1)
    costs = await _costs(services, requester, sessions)
    shown = [(each.id, each.revision, each.project_id, learnt.get(each.id), costs.get(each.external_id)) for each in sessions]
    return repr((captures, shown))


def _seen(requester: Requester, session: Session, activity: Activity) -> Activity:
    """Leave the prompt of another's session out: a page that is refreshed by itself can't record who read it."""
    return activity if session.is_by(requester.developer_id) else replace(activity, prompt=None)


async def _find(services: Services, requester: Requester, since: datetime, project: str | None) -> Sequence[Session]:
    """Find the team's sessions of the named project, or of all, and one more than are shown."""
    requester.check("read")
    project_id = None if project is None else await services.accounts.project_named(requester.team_id, project, closed=requester.closed)
    if project is not None and project_id is None:
        return ()
    sessions = services.sessions.under_way
    return await sessions.find(requester.team_id, since, project_id=project_id, closed=requester.closed, limit=MAX_SESSIONS + 1)


def compose(
    session: Session, *, project: str, developer: str | None, activity: Activity, cost: CallTotals | None, learnt: LearntItems
) -> SessionUnderWay:
    """Compose what is told of a session."""
    call = activity.call
    return SessionUnderWay(
        session=session,
        title=session.title or f"{session.provider} in {project}",
        project=project,
        developer=developer,
        last_at=session.ended_at or session.updated_at,
        prompt=first_line(activity.prompt or "", PROMPT_CHARS),
        tool="" if call is None else call.tool,
        call="" if call is None else first_line(call.input, CALL_CHARS),
        outcome=None if call is None else call.outcome,
        files=tuple(within(each, session.directory) for each in activity.files),
        cost=cost,
        learnt=learnt,
    )


def first_line(text: str, max_chars: int) -> str:
    """Return the first line that says something, cut."""
    line = next((" ".join(each.split()) for each in text.splitlines() if each.strip()), "")
    return line if len(line) <= max_chars else f"{line[: max_chars - 2].rstrip()} …"


def within(path: str, directory: str | None) -> str:
    """Return a path as seen from the folder that the session works in; as it is where it lies elsewhere."""
    kind = PureWindowsPath if "\\" in (directory or "") else PurePosixPath
    given = kind(path)
    if directory is None or not given.is_relative_to(directory) or given == kind(directory):
        return path
    return str(given.relative_to(directory))


async def _costs(services: Services, requester: Requester, sessions: Sequence[Session]) -> dict[str, CallTotals]:
    only: UUID | None = None if requester.may("read_team_budget") else requester.developer_id
    names = {each.external_id for each in sessions}
    return await services.budget.sessions.read_totals(requester.team_id, names, developer_id=only)
