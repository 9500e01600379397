"""Reads a team's sessions for a requester: one call for a route, a tool and a page alike, with its permission and its names, and without
what belongs to projects that are closed to the requester.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.accounts.views import PromptReading
from app.sessions.browsing import EventPage, SessionBrowsing
from app.sessions.checkpoints import Checkpoints, ParkedSession, ProjectionBacklog, ProjectionStatus
from app.sessions.endings import SessionEndings
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.prompts import PromptAccess, bounded, prompt_access
from app.sessions.session import Session, SessionEnding, SessionFilter
from app.storage.pages import EntryPage

MAX_SHOWN_BYTES: Final = 60_000
"""Bytes as HTML of what was said in the events of one page."""


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session with the names of its project and of who sent it (None: the admin key, or somebody whose row is gone).

    `can_delete`: the requester may purge it.
    """

    session: Session
    project: str
    developer: str | None
    can_delete: bool


@dataclass(frozen=True, slots=True)
class ShownEvents:
    """Events of a session. Where `access` doesn't show what was said, their texts, inputs and outputs are empty. `cited`: see `around`."""

    page: EventPage
    access: PromptAccess
    cited: int | None = None


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
        self,
        *,
        accounts: Accounts,
        journal: Journal,
        browsing: SessionBrowsing,
        endings: SessionEndings,
        checkpoints: Checkpoints,
        projections: Projections,
    ) -> None:
        self._accounts = accounts
        self._journal = journal
        self._browsing = browsing
        self._endings = endings
        self._checkpoints = checkpoints
        self._projections = projections

    async def list(
        self,
        requester: Requester,
        wanted: SessionFilter,
        *,
        project: str | None = None,
        developer: str | None = None,
        own: bool = False,
        before: UUID | None = None,
        limit: int,
    ) -> EntryPage[ShownSession]:
        """List one page of sessions, the latest started first; of the project of this name, or of all. NotFound for a wrong `before`.

        `developer`: only those that this developer of the team sent first; NotFound for an unknown one. `own`: that the requester did.
        """
        requester.check("read")
        if developer is not None:
            wanted = replace(wanted, sent_by=(await self._accounts.find_developer(developer, team_id=requester.team_id)).id)
        if own:
            wanted = replace(wanted, sent_by=requester.developer_id or "admin")
        if project is not None:
            project_id = await self._accounts.project_named(requester.team_id, project, closed=requester.closed)
            if project_id is None:
                return EntryPage((), None)
            wanted = replace(wanted, project_id=project_id)
        found = await self._browsing.page(requester.team_id, wanted, closed=requester.closed, before=before, limit=limit + 1)
        page = found[:limit]
        names = await self._accounts.project_names(requester.team_id, {session.project_id for session in page})
        senders = await self._senders(page)
        shown = [_shown(requester, each, names[each.project_id], senders) for each in page if each.project_id in names]
        return EntryPage(shown, str(page[-1].id) if len(found) > limit else None)

    async def show(self, requester: Requester, session_id: UUID) -> ShownSession:
        """Show a session. NotFound for another team's, and for one of a project that is closed to the requester."""
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id, closed=requester.closed)
        names = await self._accounts.project_names(requester.team_id, {session.project_id})
        return _shown(requester, session, names[session.project_id], await self._senders([session]))

    async def _senders(self, sessions: Sequence[Session]) -> Mapping[UUID, str]:
        ids = {each.developer_id for each in sessions if each.developer_id is not None}
        return await self._accounts.names(ids) if ids else {}

    async def count_by_project(self, requester: Requester, project_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Count the sessions of these projects; those that have none, or are closed to the requester, are left out."""
        requester.check("read")
        return await self._browsing.count_by_project(requester.team_id, set(project_ids) - requester.closed)

    async def agents(self, requester: Requester) -> Sequence[str]:
        """List the agents whose sessions the team has, sorted."""
        requester.check("read")
        return await self._browsing.providers(requester.team_id, closed=requester.closed)

    async def developers(self, requester: Requester) -> Sequence[str]:
        """List the names of those who sent the team's sessions, sorted."""
        requester.check("read")
        senders = await self._browsing.senders(requester.team_id, closed=requester.closed)
        return sorted((await self._accounts.names(senders)).values())

    async def prompt_access(self, requester: Requester, shown: ShownSession) -> PromptAccess:
        """Tell whether the requester sees what was said in a session that was shown to them."""
        projects = await self._accounts.find_projects(requester.team_id, shown.project)
        since = next((each.prompts_shown_since for each in projects if each.id == shown.session.project_id), None)
        return prompt_access(requester, shown.session, since)

    async def events(
        self,
        requester: Requester,
        shown: ShownSession,
        *,
        after: int = 0,
        around: str | None = None,
        limit: int,
        max_chars: int,
        max_bytes: int = MAX_SHOWN_BYTES,
    ) -> ShownEvents:
        """Read events of a session that was shown: after a seq, or up to `limit` on either side of the locator `around` (its first events
        if it has no such locator). Each text is cut to `max_chars`, all together to `max_bytes` as HTML.

        What was said is left out where the requester may not see it. Where it is another's, the reading is recorded first: NotPermitted,
        and nothing shown, if they have lost the right to it meanwhile.
        """
        access = await self.prompt_access(requester, shown)
        session_id, cut, cited = shown.session.id, max_chars if access.shown else 0, None
        if around is None:
            page = await self._browsing.read(session_id, after=after, limit=limit, max_chars=cut)
        else:
            page, cited = await self._browsing.around(session_id, around, events=limit, max_chars=cut)
        page = bounded(page, max_bytes=max_bytes, around=cited)
        if page.events:
            await self._record_reading(requester, shown, access, page.events[0][0], page.events[-1][0])
        return ShownEvents(page, access, cited)

    async def may_read_words(self, requester: Requester, shown: ShownSession, *, first: int, last: int) -> bool:
        """Tell whether the requester may read words of these events of a session that was shown; another's reading is recorded first.

        NotPermitted if they have lost the right to it meanwhile.
        """
        access = await self.prompt_access(requester, shown)
        await self._record_reading(requester, shown, access, first, last)
        return access.shown

    async def _record_reading(self, requester: Requester, shown: ShownSession, access: PromptAccess, first: int, last: int) -> None:
        """Record that a requester reads these events, where that is to be recorded."""
        if access.reason == "recorded" and access.since is not None:
            session = shown.session
            reading = PromptReading(session.project_id, session.id, session.developer_id, access.since, first, last)
            await self._accounts.prompts.record_reading(requester, reading)

    async def endings(self, requester: Requester, project_id: UUID, *, limit: int) -> Sequence[SessionEnding]:
        """Tell how the latest sessions of one of the team's projects ended, the latest first.

        What was asked and answered in another's is left out: it goes into a model's context unasked, where no reading can be recorded.
        """
        requester.check("read")
        if project_id in requester.closed:
            return ()
        found = await self._endings.latest(requester.team_id, project_id, limit=limit)
        return [each if each.session.is_by(requester.developer_id) else replace(each, asked=None, said=None) for each in found]

    async def projections(self, requester: Requester) -> ProjectionReport:
        """Tell how far the projections have caught up, and on which of the team's sessions they failed."""
        requester.check("read")
        versions = self._projections.all_versions
        behind = await self._checkpoints.backlog(versions)
        return ProjectionReport(
            versions, behind, await self._checkpoints.parked(versions, team_id=requester.team_id, closed=requester.closed)
        )

    async def progress(self, shown: ShownSession) -> Sequence[ProjectionProgress]:
        """Tell how far each projection has come with a session that was shown."""
        versions, session = self._projections.all_versions, shown.session
        statuses = await self._checkpoints.statuses(session.id, list(versions))
        return [_progress(each, session, versions[each.projection]) for each in statuses]


def _shown(requester: Requester, session: Session, project: str, senders: Mapping[UUID, str]) -> ShownSession:
    sender = None if session.developer_id is None else senders.get(session.developer_id)
    return ShownSession(session, project, sender, requester.may_change(session.developer_id))


def _progress(status: ProjectionStatus, session: Session, version: str) -> ProjectionProgress:
    """Return the progress; a checkpoint of another version counts as none."""
    found = status.checkpoint if status.checkpoint is not None and status.checkpoint.version == version else None
    if found is None:
        return ProjectionProgress(status.projection, 0, up_to_date=session.event_count == 0)
    up_to_date = found.parked is None and found.seq >= session.event_count and found.revision >= session.revision
    return ProjectionProgress(status.projection, found.seq, up_to_date, found.parked, found.retry_at)
