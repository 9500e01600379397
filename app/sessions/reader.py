"""Reads a team's sessions for a requester: one call for a route, a tool and a page alike, with its permission and its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.sessions.browsing import SessionBrowsing
from app.sessions.checkpoints import Checkpoints, ParkedSession, ProjectionBacklog, ProjectionStatus
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.session import Session, SessionFilter


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session with its project's name. `can_delete`: the requester may purge it."""

    session: Session
    project: str
    can_delete: bool


@dataclass(frozen=True, slots=True)
class SessionPage:
    """`next`: the `before` of the page after this one; None: this is the last."""

    sessions: Sequence[ShownSession]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class ProjectionProgress:
    """A projection's progress with a session. `last_event`: number of the last event read. `up_to_date`: its current code has read all.

    `parked_reason`: why it failed on the session; None: it has not. `retry_at` None: not before its version changes.
    """

    name: str
    last_event: int
    up_to_date: bool
    parked_reason: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProjectionReport:
    """Each projection's version and backlog, of all teams, by its name; `parked`: the sessions of the team that one failed on."""

    versions: Mapping[str, str]
    behind: Mapping[str, ProjectionBacklog]
    parked: Sequence[ParkedSession]


class SessionReader:
    def __init__(
        self, *, accounts: Accounts, journal: Journal, browsing: SessionBrowsing, checkpoints: Checkpoints, projections: Projections
    ) -> None:
        self._accounts = accounts
        self._journal = journal
        self._browsing = browsing
        self._checkpoints = checkpoints
        self._projections = projections

    async def list(
        self, requester: Requester, wanted: SessionFilter, *, project: str | None = None, before: UUID | None = None, limit: int
    ) -> SessionPage:
        """List one page of sessions, the latest started first; of the project of this name, or of all. NotFound for a wrong `before`."""
        requester.check("read")
        if project is not None:
            project_id = await self._accounts.project_named(requester.team_id, project)
            if project_id is None:
                return SessionPage((), None)
            wanted = replace(wanted, project_id=project_id)
        found = await self._browsing.page(requester.team_id, wanted, before=before, limit=limit + 1)
        page = found[:limit]
        names = await self._accounts.project_names(requester.team_id, {session.project_id for session in page})
        shown = [_shown(requester, session, names[session.project_id]) for session in page]
        return SessionPage(shown, page[-1].id if len(found) > limit else None)

    async def show(self, requester: Requester, session_id: UUID) -> ShownSession:
        """Show a session. NotFound for another team's."""
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id)
        names = await self._accounts.project_names(requester.team_id, {session.project_id})
        return _shown(requester, session, names[session.project_id])

    async def projections(self, requester: Requester) -> ProjectionReport:
        """Tell how far the projections have caught up, and on which of the team's sessions they failed."""
        requester.check("read")
        versions = self._projections.versions
        behind = await self._checkpoints.backlog(versions)
        return ProjectionReport(versions, behind, await self._checkpoints.parked(versions, team_id=requester.team_id))

    async def progress(self, shown: ShownSession) -> Sequence[ProjectionProgress]:
        """Tell how far each projection has come with a session that was shown."""
        versions, session = self._projections.versions, shown.session
        statuses = await self._checkpoints.statuses(session.id, list(versions))
        return [_progress(each, session, versions[each.projection]) for each in statuses]


def _shown(requester: Requester, session: Session, project: str) -> ShownSession:
    return ShownSession(session, project, requester.may_change(session.developer_id))


def _progress(status: ProjectionStatus, session: Session, version: str) -> ProjectionProgress:
    """Return the progress; a checkpoint of another version counts as none."""
    found = status.checkpoint if status.checkpoint is not None and status.checkpoint.version == version else None
    if found is None:
        return ProjectionProgress(status.projection, 0, up_to_date=session.event_count == 0)
    up_to_date = found.parked is None and found.seq >= session.event_count and found.revision >= session.revision
    return ProjectionProgress(status.projection, found.seq, up_to_date, found.parked, found.retry_at)
