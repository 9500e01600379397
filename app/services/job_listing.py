"""Lists jobs for a requester: their own, to a lead or admin those of the team, without those of projects that are closed to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.accounts.requester import Requester
from app.queue.job_list import JobFilter, read_jobs
from app.queue.jobs import Job, State
from app.services.operations import sessions_of
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted, page_of

MAX_SCANNED: Final = 2_000
"""Jobs that one page is searched among: a rare project is looked for page by page, so that no page takes seconds."""


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

    job: Job
    developer: str | None


async def list_jobs(services: Services, requester: Requester, page: PageWanted, wanted: JobsWanted) -> EntryPage[ListedJob]:
    """List a page of jobs. It may be shorter than `page.limit` although others follow, where few of the jobs are of `project`.

    NotPermitted for another's jobs without the right to see the team's; NotFound for an unknown developer.
    """
    requester.check("read")
    owner = await _owner(services, requester, wanted.developer)
    among = JobFilter(requester.team_id, owner, wanted.state, wanted.kind)
    project_id = None
    if wanted.project is not None:
        project_id = await services.accounts.project_named(requester.team_id, wanted.project, closed=requester.closed)
        if project_id is None:
            return EntryPage((), None)
    found: list[Job] = []
    scanned, following = 0, page
    while True:
        read = page_of(await read_jobs(services.database, following, among), following)
        scanned += len(read.entries)
        found += await _shown(services, requester, read.entries, project_id)
        if read.next is None or len(found) >= page.limit or scanned >= MAX_SCANNED:
            break
        following = replace(page, after=read.next)
    shown = page_of(found, page) if len(found) > page.limit else EntryPage(found, read.next)
    names = await _names(services, shown.entries)
    return EntryPage([ListedJob(each, names.get(each.developer_id) if each.developer_id else None) for each in shown.entries], shown.next)


async def _owner(services: Services, requester: Requester, developer: str | None) -> UUID | None:
    """Return whose jobs are listed; None: everybody's of the team."""
    if developer is not None and developer != requester.developer:
        requester.check("read_captures")
        return (await services.accounts.find_developer(developer, team_id=requester.team_id)).id
    alone = developer is not None or not requester.may("read_captures")
    return requester.developer_id if alone else None


async def _shown(services: Services, requester: Requester, jobs: Sequence[Job], project_id: UUID | None) -> list[Job]:
    """Return the jobs of which no session is of a project closed to the requester; with `project_id`, those with a session of it."""
    if project_id is None and not requester.closed:
        return list(jobs)
    sessions = {job.id: sessions_of(job) for job in jobs}
    cited = await services.journal.cited(requester.team_id, {each for ids in sessions.values() for each in ids})
    projects = {job: {cited[each].project_id for each in ids if each in cited} for job, ids in sessions.items()}
    return [job for job in jobs if not projects[job.id] & requester.closed and (project_id is None or project_id in projects[job.id])]


async def _names(services: Services, jobs: Sequence[Job]) -> Mapping[UUID, str]:
    return await services.accounts.names({job.developer_id for job in jobs if job.developer_id is not None})
