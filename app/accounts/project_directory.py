"""The projects of teams: found by name and identity, renamed, merged, opened and closed. Part of `Accounts`, which knows who asks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from uuid import UUID

import cachebox
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.finding import askable
from app.accounts.identity import ProjectIdentity
from app.accounts.membership import change_openness, check_merge, check_open_to, check_project_revision, shown_projects
from app.accounts.names import canonical, check_project_name
from app.accounts.projects import find_project, hold_projects, merge, no_project, project_called, project_for, rename
from app.accounts.prompts import restart_period, switch_prompts
from app.accounts.tables import ProjectRow
from app.accounts.views import OpennessChange, ProjectView, PromptSwitch
from app.errors import NotFound
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, PageWanted, page_of, paged

CACHED_SECONDS = 30
CACHED_PROJECTS = 10_000


class ProjectDirectory:
    """Finds and changes projects; caches their names for half a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projects: cachebox.TTLCache[UUID, str] = cachebox.TTLCache(CACHED_PROJECTS, CACHED_SECONDS)
        self._named: cachebox.TTLCache[tuple[UUID, str], UUID] = cachebox.TTLCache(CACHED_PROJECTS, CACHED_SECONDS)

    @abstractmethod
    def _requesters_changed(self, changed: UUID) -> None:
        """Forget what is known of requesters, here and in other processes."""

    async def project_id(self, connection: AsyncConnection, team_id: UUID, name: str) -> UUID:
        """Return a project's id; it is made if it is new, in the caller's transaction. InvalidInput for a name that can't be used."""
        name = canonical(name)
        check_project_name(name)
        return await project_called(connection, team_id, name)

    async def project_for(self, connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity) -> UUID:
        """Return the id of the project with this identity; made if it is new, in the caller's transaction."""
        return await project_for(connection, team_id, identity)

    async def project_known_as(self, team_id: UUID, identity: ProjectIdentity, *, closed: Collection[UUID] = ()) -> str | None:
        """Return the name of the project with this identity; None: there is none that isn't `closed` to who asks, and none is made."""

        async def read(connection: AsyncConnection) -> UUID | None:
            return await find_project(connection, team_id, identity)

        project_id = await self._database.read(read)
        return None if project_id is None or project_id in closed else (await self.project_names(team_id, {project_id})).get(project_id)

    async def find_projects(self, team_id: UUID, name: str | None = None) -> list[ProjectView]:
        """List the team's projects, by name; or the one that is, or once was, called so."""
        query = shown_projects(team_id, None if name is None else askable(name))
        return [ProjectView(*row) for row in await self._database.read(rows_of(query))]

    async def names_showing_prompts(self, team_id: UUID, *, closed: Collection[UUID] = ()) -> list[str]:
        """Return the names of the team's projects that show prompts, but for those `closed` to who asks, sorted."""
        shows = (ProjectRow.prompts_shown_since.is_not(None), ProjectRow.merged_into.is_(None), ProjectRow.id.not_in(closed))
        query = select(ProjectRow.name).where(ProjectRow.team_id == team_id, *shows).order_by(ProjectRow.name)
        return [row.name for row in await self._database.read(rows_of(query))]

    async def list_projects_page(self, team_id: UUID, wanted: PageWanted, *, closed: Collection[UUID] = ()) -> EntryPage[ProjectView]:
        """List a page of the team's projects, but for those `closed` to who asks."""
        query = paged(shown_projects(team_id).where(ProjectRow.id.not_in(closed)), ProjectRow, wanted)
        return page_of([ProjectView(*row) for row in await self._database.read(rows_of(query))], wanted)

    async def show_project(self, team_id: UUID, project_id: UUID, *, closed: Collection[UUID] = ()) -> ProjectView:
        """Show a project. NotFound for another team's, one that was merged into another, and one that is `closed` to who asks."""
        query = shown_projects(team_id).where(ProjectRow.id == project_id, ProjectRow.id.not_in(closed))

        async def read(connection: AsyncConnection) -> ProjectView:
            row = (await connection.execute(query)).one_or_none()
            if row is None:  # said within: one made just now isn't at a replica yet, but at the primary
                raise no_project(project_id)
            return ProjectView(*row)

        return await self._database.read(read)

    async def merge_project(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID, *, by: UUID | None) -> None:
        """Merge a project into another (see `projects.merge`), in the caller's transaction, which moves what belonged to it.

        Conflict where that would show a closed project to others (`membership.check_merge`). What was said in the merged one's sessions is
        shown to nobody by it (`prompts.restart_period`). `by`: the developer who wants it. Call `project_merged` once it is committed.
        """
        await hold_projects(connection, team_id)  # first: else one of them could be opened or closed after the check
        await check_merge(connection, project_id, into)
        await merge(connection, team_id, project_id, into)
        await restart_period(connection, team_id, into, by=by)

    def project_merged(self, project_id: UUID) -> None:
        """Forget everywhere what is cached of a merged project: its name, and to whom it was closed."""
        self._forget_projects()
        self._requesters_changed(project_id)

    async def change_project(
        self,
        team_id: UUID,
        project_id: UUID,
        *,
        name: str | None,
        openness: OpennessChange,
        prompts: PromptSwitch | None = None,
        revision: str | None = None,
    ) -> None:
        """Rename a project (see `projects.rename`), change whom it is open to (see `membership.change_openness`) and whether it shows
        prompts (see `prompts.switch_prompts`), all or nothing.

        ChangedMeanwhile where it is not at `revision`.
        Other processes show a new name within half a minute, and know whom it is open to within moments.
        """
        async with self._database.begin() as connection:
            if revision is not None:
                await check_project_revision(connection, team_id, project_id, revision)
            if name is not None:
                await rename(connection, team_id, project_id, name)
            if openness.changes:
                await change_openness(connection, team_id, project_id, openness)
            if prompts is not None:
                await switch_prompts(connection, team_id, project_id, prompts)
        self._forget_projects()
        if openness.changes:
            self._requesters_changed(project_id)

    async def check_open_to(self, connection: AsyncConnection, project_id: UUID, developer_id: UUID | None) -> None:
        """Raise NotPermitted if the project is closed to the developer, as the caller's transaction sees it. None: the admin key."""
        await check_open_to(connection, project_id, developer_id)

    def _forget_projects(self) -> None:
        self._projects.clear()
        self._named.clear()

    async def project_named(self, team_id: UUID, name: str, *, closed: Collection[UUID] = ()) -> UUID | None:
        """Return the id of the project of this name, if there is one that isn't `closed` to who asks. Cached for half a minute."""
        name = canonical(name)
        found: UUID | None = self._named.get((team_id, name))
        if found is None and (projects := await self.find_projects(team_id, name)):
            found = self._named[team_id, name] = projects[0].id
        return None if found in closed else found

    async def open_project(self, team_id: UUID, name: str, *, closed: Collection[UUID] = ()) -> UUID:
        """Return the id of the project of this name. NotFound if there is none that isn't `closed` to who asks."""
        found = await self.project_named(team_id, name, closed=closed)
        if found is None:
            raise NotFound(f"There is no project {name!r} that is open to you. List them: `cairn projects list` or GET /v1/projects.")
        return found

    async def project_names(self, team_id: UUID, projects: Collection[UUID]) -> dict[UUID, str]:
        """Return the names of these projects. Cached: a rename in another process is seen within half a minute."""
        known = {project: self._projects.get(project) for project in projects}
        if None in known.values():
            for project in await self.find_projects(team_id):
                self._projects[project.id] = project.name
                known[project.id] = project.name
        return {project: name for project in projects if (name := known[project]) is not None}

    async def closed_names(self, team_id: UUID, closed: Collection[UUID]) -> frozenset[str]:
        """Return the names that projects `closed` to who asks, and those merged into them, have or had: calls are labelled by names.

        A former one that a project open to them has now is left out: most calls under it are that project's.
        """
        if not closed:
            return frozenset()
        ours = ProjectRow.team_id == team_id
        named = select(ProjectRow.name, ProjectRow.former_names).where(ours, ProjectRow.id.in_(closed))
        rows = await self._database.read(rows_of(named))
        names, former = {row.name for row in rows}, {name for row in rows for name in row.former_names}
        if former:
            open_now = select(ProjectRow.name).where(ours, ProjectRow.name.in_(sorted(former)), ProjectRow.id.not_in(closed))
            former -= {row.name for row in await self._database.read(rows_of(open_now))}
        return frozenset(names | former)
