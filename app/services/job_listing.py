"""Lists jobs for a requester: their own, to a lead or admin those of the team, without those of projects that are closed to them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import not_

from app.accounts.requester import Requester
from app.queue.job_list import PAYLOAD, JobEntry, JobFilter, read_jobs
from app.queue.jobs import State
from app.services.services import Services
from app.sessions.job_sessions import works_on
from app.storage.pages import EntryPage, PageWanted, page_of


@dataclass(frozen=True, slots=True)
class JobsWanted:
    """Conditions on the jobs to list; None: any. `project` and `developer` are names."""

    state: State | None = None
    kind: str | None = None
    project: str | None = None
    developer: str | None = None


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job with the name of the developer who asked for it; None: the admin key, or Cairn itself."""

    job: JobEntry
    developer: str | None


async def list_jobs(services: Services, requester: Requester, page: PageWanted, wanted: JobsWanted) -> EntryPage[ListedJob]:
    """List a page of jobs; with a project, those that work on a session of it.

    NotPermitted for another's jobs without the right to see the team's; NotFound for an unknown developer.
    """
    requester.check("read")
    owner = await _owner(services, requester, wanted.developer)
    conditions = [not_(works_on(PAYLOAD, requester.closed))] if requester.closed else []
    if wanted.project is not None:
        project_id = await services.accounts.project_named(requester.team_id, wanted.project, closed=requester.closed)
        if project_id is None:
            return EntryPage((), None)
        conditions.append(works_on(PAYLOAD, {project_id}))
    among = JobFilter(requester.team_id, owner, wanted.state, wanted.kind, conditions)
    found = page_of(await read_jobs(services.database, page, among), page)
    names = await services.accounts.names({job.developer_id for job in found.entries if job.developer_id is not None})
    return EntryPage([ListedJob(each, names.get(each.developer_id) if each.developer_id else None) for each in found.entries], found.next)


async def _owner(services: Services, requester: Requester, developer: str | None) -> UUID | None:
    """Return whose jobs are listed; None: everybody's of the team."""
    if developer is not None and developer != requester.developer:
        requester.check("read_captures")
        return (await services.accounts.find_developer(developer, team_id=requester.team_id)).id
    alone = developer is not None or not requester.may("read_captures")
    return requester.developer_id if alone else None
