"""Checks the items of projects whose repositories a worker can read: periodically, and when somebody asks because of a push.

At most one job of a repository waits. What a run found out stands in the data folder, so the next one reads only what is new.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from uuid import UUID

import structlog

from app import clock
from app.accounts.accounts import Accounts
from app.errors import NotFound
from app.freshness.checking import CheckedItem
from app.freshness.marking import FIELDS, MAX_MARKS, KnownMark, told_by
from app.freshness.verdicts import CodeFinding
from app.knowledge.check_process import CheckProcess, MarkedItem, open_check
from app.knowledge.code_checking import CheckedProject, CodeChecking
from app.knowledge.item import CheckableItem, CodeMark, GivenMark
from app.part import JobHandler, Loop
from app.queue.jobs import LOW, Done, Job, KeyedJob, Progress, Queue
from app.settings import FreshnessSettings
from app.storage.pages import EntryPage, PageWanted, every_entry

log = structlog.get_logger()

FRESHNESS = "freshness"
DEFAULT_TEAM = "default"


class RepositoryChecks:
    """Plans and runs the checks. `folder`: where digests are kept between runs."""

    def __init__(self, queue: Queue, accounts: Accounts, checking: CodeChecking, *, settings: FreshnessSettings, folder: Path) -> None:
        self._queue = queue
        self._accounts = accounts
        self._checking = checking
        self._settings = settings
        self._folder = folder

    def jobs(self) -> dict[str, JobHandler]:
        """Return the handler, for a worker that has repositories: another one leaves the jobs to those."""
        return {FRESHNESS: self.job} if self._settings.repositories else {}

    def loops(self) -> tuple[Loop, ...]:
        """Return the planning of the checks, for a worker."""
        if not self._settings.repositories:
            return ()
        meanwhile = "Items are not checked against the code."
        return (Loop(name="knowledge.freshness", step=self.plan, pause=self._settings.minutes * 60, meanwhile=meanwhile),)

    async def plan(self) -> None:
        """Enqueue a check of every repository, where none waits. One whose team isn't there keeps no other from it."""
        for project in self._settings.repositories:
            try:
                await self._enqueue(project)
            except NotFound as error:
                log.warning("freshness.not_planned", project=project, reason=error.message)

    async def request(self, project: str) -> None:
        """Enqueue a check of one repository. NotFound if none is configured for the project."""
        if project not in self._settings.repositories:
            raise NotFound(f"No repository of the project {project!r} is configured: add it to freshness.repositories.")
        await self._enqueue(project)

    async def job(self, job: Job, progress: Progress) -> Done:
        """Check a repository, and store the marks that differ, but not over those of newer code.

        NotFound where its folder, team or project isn't there.
        """
        name = str(job.payload["project"])
        path = self._settings.repositories.get(name)
        if path is None:
            raise NotFound(f"This worker has no repository of the project {name!r}: add it to freshness.repositories.")
        project = await self._project(name)
        async with open_check(path, self._folder) as check:
            remote, items = check.remote, await self._hand_over(project, check)
            result = await check.findings()
        new = [_given(items[item], remote, result.commit, finding) for item, finding in result.findings]
        stored = 0
        for start in range(0, len(new), MAX_MARKS):
            stored += (await self._checking.store(project, remote, new[start : start + MAX_MARKS])).stored
            await progress(stored, len(new))
        log.info("freshness.checked", items=len(items), stored=stored, commit=result.commit)
        return Done({"items": len(items), "stored": stored, "commit": result.commit})

    async def _enqueue(self, project: str) -> None:
        wanted = KeyedJob(project, {"project": project}, await self._team(project), None)
        async with self._queue.begin() as connection:
            await self._queue.enqueue_once(connection, kind=FRESHNESS, wanted=[wanted], run_at=clock.now(), priority=LOW)

    async def _team(self, name: str) -> UUID:
        return await self._accounts.team_id(_parts(name)[0])

    async def _project(self, name: str) -> CheckedProject:
        team_id, project = await self._team(name), _parts(name)[1]
        project_id = await self._accounts.project_named(team_id, project)
        if project_id is None:
            raise NotFound(f"There is no project {project!r} yet: correct freshness.repositories, or send its sessions.")
        return CheckedProject(team_id, project_id)

    async def _hand_over(self, project: CheckedProject, check: CheckProcess) -> dict[UUID, CheckableItem]:
        """Read the project's items, and hand them to the check. Returns them by their ids."""

        def read(place: str | None) -> Awaitable[EntryPage[CheckableItem]]:
            return self._checking.page(project, check.remote, PageWanted(MAX_MARKS, after=place))

        items: dict[UUID, CheckableItem] = {}
        async for each in every_entry(await read(None), read):
            await check.add(_to_check(each))
            items[each.id] = each
        return items


def _parts(name: str) -> tuple[str, str]:
    """Return team and project of a configured name."""
    team, colon, project = name.partition(":")
    return (team, project) if colon else (DEFAULT_TEAM, name)


def _to_check(item: CheckableItem) -> MarkedItem:
    mark = item.mark
    known = None if mark is None or mark.checked_at is None else KnownMark(told_by(mark), mark.head, mark.checked_at)
    return MarkedItem(CheckedItem(item.id, f"{item.title}\n{item.text}", item.paths, item.said_at), known)


def _given(item: CheckableItem, repository: str, commit: str, finding: CodeFinding) -> GivenMark:
    found = {name: getattr(finding, name) for name in FIELDS}
    mark = CodeMark(repository=repository, head=commit, committed_at=finding.committed_at, **found)
    return GivenMark(item.id, item.revision, mark, item.said_at)
