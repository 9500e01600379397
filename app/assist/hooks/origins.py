"""Registers where an IDE's session works, by what its client told with a hook, and tells it again for the hooks that come without.

A hook's own payload names only a folder of somebody's machine, which is not enough to give it anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import cachebox
from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.identity import identify
from app.accounts.names import check_project_name
from app.accounts.requester import Requester
from app.assist.tables import HookSessionRow
from app.errors import NotPermitted
from app.redaction.stored_fields import stored_id, stored_name, stored_url
from app.sessions.event import SessionHeader
from app.sessions.hook_payloads import Hook
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.storage.database import Database, rows_of

KNOWN_SESSIONS, KNOWN_SECONDS = 10_000, 30.0
"""Size and TTL of the caches of sessions and of projects: what another server registers is seen after that time."""
KEPT = timedelta(days=30)
"""Registrations older than this are deleted: a session that goes on is registered again by its next start."""
PROJECT_HEADER = "x-cairn-project"


@dataclass(frozen=True, slots=True)
class GivenOrigin:
    """The client's headers beside a hook. `directory_name`: of the folder that the session works in.

    `directory`: where that is a worktree, the folder of its repository.
    """

    project: str | None = None
    repository: str | None = None
    branch: str | None = None
    directory_name: str | None = None
    directory: str | None = None

    @property
    def tells(self) -> bool:
        """Tell whether it says which project it is."""
        return any((self.project, self.repository, self.directory_name))


@dataclass(frozen=True, slots=True)
class Origin:
    """The place that a registered session works in. `id`: the registration's; `project`: the name that was given, if any."""

    id: UUID
    developer_id: UUID | None
    project: str | None
    repository: str | None
    branch: str | None
    directory: str | None

    def filled(self, header: SessionHeader) -> SessionHeader:
        """Add to a session's header where it works."""
        return replace(header, directory=self.directory or header.directory, repository=self.repository, branch=self.branch)


class Origins:
    """Registers sessions and resolves their projects."""

    def __init__(self, database: Database, accounts: Accounts, journal: Journal) -> None:
        self._database = database
        self._journal = journal
        self._accounts = accounts
        self._known: cachebox.TTLCache[tuple[UUID, str, str], Origin] = cachebox.TTLCache(KNOWN_SESSIONS, KNOWN_SECONDS)
        self._projects: cachebox.TTLCache[tuple[UUID, str], str] = cachebox.TTLCache(KNOWN_SESSIONS, KNOWN_SECONDS)

    async def resolve(self, requester: Requester, hook: Hook, given: GivenOrigin) -> Origin | None:
        """Return where the hook's session works; None: nobody told. A project that is given now precedes the registered one.

        NotPermitted: it is another developer's session. InvalidInput: a project's name that can't be used.
        """
        if given.project is not None:
            check_project_name(given.project, param=PROJECT_HEADER)
        key = (requester.team_id, hook.ide, stored_id(hook.session))
        known = self._known.get(key) or await self._find(key)
        if known is not None and requester.developer_id is not None and known.developer_id not in {None, requester.developer_id}:
            raise _belongs_to_another()
        if given.tells and known is None and await self._journal.belongs_to_another(requester.team_id, hook.header, requester.developer_id):
            raise _belongs_to_another()
        if given.tells and (known is None or hook.moment == "session_start"):
            known = await self._register(requester, key, hook, given)
        if known is None:
            return None
        self._known[key] = known
        return known if given.project is None else replace(known, project=given.project)

    async def project(self, team_id: UUID, origin: Origin) -> str | None:
        """Return the name of the project that a session belongs to, which is made if it is new. None: nothing tells it."""
        if origin.project is not None:
            return origin.project
        found = identify(origin.repository, origin.directory)
        if found is None:
            return None
        name: str | None = self._projects.get((team_id, found.key))
        if name is None:
            async with self._database.begin() as connection:
                project_id = await self._accounts.project_for(connection, team_id, found)
            names = await self._accounts.project_names(team_id, {project_id})
            name = self._projects[team_id, found.key] = names[project_id]
        return name

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Forget a session that is purged, with what it was given, in the purge's transaction."""
        self._known.pop((session.team_id, session.provider, session.external_id), None)
        gone = await connection.execute(delete(HookSessionRow).where(_is((session.team_id, session.provider, session.external_id))))
        return gone.rowcount

    async def sweep(self) -> int:
        """Delete registrations that are too old; return their number."""
        async with self._database.begin() as connection:
            old = HookSessionRow.registered_at < func.now() - KEPT
            return (await connection.execute(delete(HookSessionRow).where(old))).rowcount

    async def _find(self, key: tuple[UUID, str, str]) -> Origin | None:
        rows: Sequence[object] = await self._database.read(rows_of(select(*_COLUMNS).where(_is(key))))
        return Origin(*rows[0]) if rows else None  # type: ignore[misc]

    async def _register(self, requester: Requester, key: tuple[UUID, str, str], hook: Hook, given: GivenOrigin) -> Origin:
        """Store what the client tells; a later start of the session tells it anew. NotPermitted: another developer was first."""
        told = {
            "project": given.project,
            "repository": stored_url(given.repository) if given.repository else None,
            "branch": stored_name(given.branch) if given.branch else None,
            "directory": stored_name(given.directory or hook.header.directory or given.directory_name or "") or None,
        }
        team_id, agent, session = key
        row = upsert(HookSessionRow).values(team_id=team_id, agent=agent, session=session, developer_id=requester.developer_id, **told)
        theirs = or_(HookSessionRow.developer_id.is_(None), HookSessionRow.developer_id == requester.developer_id)
        stored = row.on_conflict_do_update(
            index_elements=["team_id", "agent", "session"],
            set_={**told, "registered_at": func.now()},
            where=None if requester.developer_id is None else theirs,
        )
        async with self._database.begin() as connection:
            made = (await connection.execute(stored.returning(*_COLUMNS))).one_or_none()
        if made is None:
            raise _belongs_to_another()
        return Origin(*made)


_COLUMNS = (
    HookSessionRow.id,
    HookSessionRow.developer_id,
    HookSessionRow.project,
    HookSessionRow.repository,
    HookSessionRow.branch,
    HookSessionRow.directory,
)


def _is(key: tuple[UUID, str, str]) -> ColumnElement[bool]:
    team_id, agent, session = key
    return and_(HookSessionRow.team_id == team_id, HookSessionRow.agent == agent, HookSessionRow.session == session)


def _belongs_to_another() -> NotPermitted:
    return NotPermitted(
        "This session is another developer's: a hook adds only to the sessions of its key's developer, also where that is an admin."
        " Only the admin key adds to any."
    )
