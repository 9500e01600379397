"""Teams, developers, projects and keys; who is behind a key. Knows nothing of HTTP, and of money only the limit's column.

Lookups of keys are cached (`cache.keys`): a revoked key or a changed role counts in this process at once, in another one
within moments, or, where the message was lost, once the cached lookup has expired there.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Any
from uuid import UUID

import cachebox
import msgspec
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.identity import ProjectIdentity
from app.accounts.key_lookups import KeyLookups
from app.accounts.keys import digest, make_key, public_id_of
from app.accounts.names import check_account_name, check_project_name
from app.accounts.projects import find_project, merge, project_for, rename
from app.accounts.requester import DeveloperRole, Requester
from app.accounts.tables import ApiKeyRow, DeveloperRow, ProjectRow, TeamRow
from app.accounts.views import DeveloperView, KeyView, ProjectView, TeamView
from app.cache.memory import MemoryCache
from app.errors import CairnError, Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted
from app.redaction.labels import check_label
from app.settings import KeysCacheSettings
from app.storage.database import Database, rows_of
from app.storage.invalidations import Invalidations

DEFAULT_TEAM = "default"
KEYS = "keys"
"""The topic of the invalidations: a key was revoked, or a developer's role was changed."""
CACHED_SECONDS = 30
CACHED_KEYS = 10_000
MAX_NANOUSD = 2**63 - 1
_requester_in = msgspec.msgpack.Decoder(Requester).decode


class Accounts:
    """Stores accounts and authenticates keys. `known`: the cached lookups, requesters by their key's digest."""

    def __init__(
        self,
        database: Database,
        *,
        admin_key: str,
        secret_key: str,
        default_limit_nanousd: int,
        cached: KeysCacheSettings | None = None,
        invalidations: Invalidations | None = None,
    ) -> None:
        self._database = database
        self._invalidations = invalidations or Invalidations()
        self._invalidations.subscribe(KEYS, self._forget)
        self._admin = digest(secret_key, admin_key)
        self._secret_key = secret_key
        self._default_limit = default_limit_nanousd
        cached = cached or KeysCacheSettings()
        self.known = MemoryCache(cached.policy, entries=cached.entries, max_bytes=cached.max_bytes)
        self._known_seconds = cached.ttl_seconds
        self._teams: cachebox.TTLCache[str, UUID | None] = cachebox.TTLCache(CACHED_KEYS, CACHED_SECONDS)
        self._projects: cachebox.TTLCache[UUID, str] = cachebox.TTLCache(CACHED_KEYS, CACHED_SECONDS)
        self._named: cachebox.TTLCache[tuple[UUID, str], UUID] = cachebox.TTLCache(CACHED_KEYS, CACHED_SECONDS)
        self._invalidated = 0
        self._lookups = KeyLookups(database)

    async def ensure_defaults(self) -> None:
        """Make the team `default` if it is missing. Safe to run from several processes at once."""
        async with self._database.begin() as connection:
            await connection.execute(upsert(TeamRow).values(name=DEFAULT_TEAM).on_conflict_do_nothing())

    async def authenticate(self, key: str) -> Requester:
        """Return who is behind a key; an admin for the team `default`. NotAuthenticated for an unknown or revoked one."""
        hashed = digest(self._secret_key, key)
        if hmac.compare_digest(hashed, self._admin):
            return await self.acting_for(DEFAULT_TEAM)
        cached = self.known.get(hashed)
        if cached is not None:
            return _requester_in(cached)
        invalidated = self._invalidated
        requester = await self._look_up(key, hashed)
        if invalidated == self._invalidated:  # else what was just read may have been revoked or changed since
            self.known.set(hashed, msgspec.msgpack.encode(requester), self._known_seconds)
        return requester

    async def in_team(self, requester: Requester, team: str) -> Requester:
        """Let an admin act for a team; NotFound for an unknown one. A developer has their own (else NotPermitted)."""
        if requester.is_admin:
            return await self.acting_for(team or DEFAULT_TEAM)
        if team != requester.team:
            raise NotPermitted("Only an admin key can act for another team: ask for your own, or name none.")
        return requester

    async def create_team(self, name: str) -> TeamView:
        """Make a team. InvalidInput for a name that can't be used, Conflict for one that is taken."""
        check_account_name(name)
        row = upsert(TeamRow).values(name=name).on_conflict_do_nothing().returning(TeamRow.id, TeamRow.created_at)
        async with self._database.begin() as connection:
            made = (await connection.execute(row)).one_or_none()
        if made is None:
            raise Conflict(f"A team {name!r} exists already. Choose another name.", param="name")
        return TeamView(made.id, name, made.created_at, developers=0)

    async def list_teams(self) -> list[TeamView]:
        query = (
            select(TeamRow.id, TeamRow.name, TeamRow.created_at, func.count(DeveloperRow.id))
            .outerjoin(DeveloperRow, DeveloperRow.team_id == TeamRow.id)
            .group_by(TeamRow.id)
            .order_by(TeamRow.name)
        )
        return [TeamView(*row) for row in await self._database.read(rows_of(query))]

    async def create_developer(
        self, name: str, *, team: str = DEFAULT_TEAM, monthly_limit_nanousd: int | None = None, role: DeveloperRole = "developer"
    ) -> DeveloperView:
        """Make a developer. InvalidInput for a bad name or limit, NotFound for an unknown team, Conflict for a taken name."""
        check_account_name(name)
        limit = self._default_limit if monthly_limit_nanousd is None else monthly_limit_nanousd
        if not 0 <= limit <= MAX_NANOUSD:
            raise InvalidInput("monthly_limit_usd must be 0 or more.", param="monthly_limit_usd")
        async with self._database.begin() as connection:
            team_id = await _team_id(connection, team)
            row = upsert(DeveloperRow).values(name=name, team_id=team_id, monthly_limit_nanousd=limit, role=role)
            returned = row.on_conflict_do_nothing().returning(DeveloperRow.id, DeveloperRow.created_at)
            made = (await connection.execute(returned)).one_or_none()
        if made is None:
            raise Conflict(f"A developer {name!r} exists already, in this team or another. Choose another name.", param="name")
        return DeveloperView(made.id, name, team_id, team, limit, role, keys=0, created_at=made.created_at)

    async def set_role(self, developer: str, role: DeveloperRole) -> None:
        """Give a developer a role: their keys and sign-ins have it from now on. NotFound for an unknown developer."""
        named = DeveloperRow.name == _askable(developer)
        async with self._database.begin() as connection:
            developer_id = await connection.scalar(update(DeveloperRow).where(named).values(role=role).returning(DeveloperRow.id))
        if developer_id is None:
            raise _no_developer(developer)
        self._forget(str(developer_id))
        self._invalidations.publish(KEYS, str(developer_id))

    async def list_developers(self, *, team_id: UUID | None = None) -> list[DeveloperView]:
        """List all developers, or a team's, by name."""
        query = _developers() if team_id is None else _developers().where(DeveloperRow.team_id == team_id)
        return [DeveloperView(*row) for row in await self._database.read(rows_of(query))]

    async def find_developer(self, name: str, *, team_id: UUID | None = None) -> DeveloperView:
        """Find a developer, with `team_id` only among that team's. NotFound for an unknown one."""
        query = _developers().where(DeveloperRow.name == _askable(name))
        if team_id is not None:
            query = query.where(DeveloperRow.team_id == team_id)

        async def read(connection: AsyncConnection) -> DeveloperView:
            row = (await connection.execute(query)).one_or_none()
            if row is None:  # said within: whose key was made just now isn't at a replica yet, but at the primary
                raise _no_developer(name)
            return DeveloperView(*row)

        return await self._database.read(read)

    async def names(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the names of developers and teams by id; unknown ids are left out."""
        found: dict[UUID, str] = {}
        async with self._database.begin() as connection:
            for table in (DeveloperRow, TeamRow):
                rows = await connection.execute(select(table.id, table.name).where(table.id.in_(list(ids))))
                found |= {row.id: row.name for row in rows}
        return found

    async def team_id(self, name: str) -> UUID:
        """Return a team's id. NotFound for an unknown team."""
        async with self._database.begin() as connection:
            return await _team_id(connection, name)

    async def note_limit(self, connection: AsyncConnection, developer_id: UUID, nanousd: int) -> None:
        """Store a monthly limit that the ledger sets in the same transaction. NotFound for an unknown developer."""
        noted = await connection.execute(update(DeveloperRow).where(DeveloperRow.id == developer_id).values(monthly_limit_nanousd=nanousd))
        if noted.rowcount == 0:
            raise NotFound("There is no such developer. List them: GET /v1/developers or `cairn developers list`.")

    async def noted_limit(self, connection: AsyncConnection, developer_id: UUID) -> int:
        """Return a developer's monthly limit. NotFound for an unknown developer."""
        found = await connection.scalar(select(DeveloperRow.monthly_limit_nanousd).where(DeveloperRow.id == developer_id))
        if found is None:
            raise NotFound("There is no such developer. List them: GET /v1/developers or `cairn developers list`.")
        return found

    async def create_key(self, developer: str) -> tuple[UUID, str]:
        """Make a key, and return (id, key): the only time that the key can be seen. NotFound for an unknown developer."""
        made = make_key(self._secret_key)
        async with self._database.begin() as connection:
            developer_id = await connection.scalar(select(DeveloperRow.id).where(DeveloperRow.name == _askable(developer)))
            if developer_id is None:
                raise _no_developer(developer)
            values = {"developer_id": developer_id, "lookup": made.public_id, "digest": made.digest}
            key_id = (await connection.execute(insert(ApiKeyRow).values(values).returning(ApiKeyRow.id))).scalar_one()
        return key_id, made.key

    async def keys_of(self, developer_id: UUID) -> list[KeyView]:
        """List a developer's keys, the newest first, revoked ones too."""
        query = select(ApiKeyRow.id, ApiKeyRow.lookup, ApiKeyRow.created_at, ApiKeyRow.revoked_at).where(
            ApiKeyRow.developer_id == developer_id
        )
        async with self._database.begin() as connection:
            return [KeyView(*row) for row in await connection.execute(query.order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id))]

    async def revoke_key(self, key_id: UUID) -> None:
        """Revoke a key. NotFound for an unknown one, or one that was revoked before."""
        live = (ApiKeyRow.id == key_id) & ApiKeyRow.revoked_at.is_(None)
        async with self._database.begin() as connection:
            revoked = await connection.execute(update(ApiKeyRow).where(live).values(revoked_at=func.now()))
        if revoked.rowcount == 0:
            raise NotFound(f"There is no live key {key_id}: it may have been revoked before.")
        self._forget(str(key_id))
        self._invalidations.publish(KEYS, str(key_id))

    async def project_id(self, connection: AsyncConnection, team_id: UUID, name: str) -> UUID:
        """Return a project's id; it is made if it is new, in the caller's transaction. InvalidInput for a name that can't be used."""
        check_project_name(name)
        wanted = select(func.coalesce(ProjectRow.merged_into, ProjectRow.id)).where(ProjectRow.team_id == team_id, ProjectRow.name == name)
        if (found := await connection.scalar(wanted)) is not None:
            return found
        row = upsert(ProjectRow).values(team_id=team_id, name=name).on_conflict_do_nothing(index_elements=["team_id", "name"])
        await connection.execute(row)
        return (await connection.execute(wanted)).scalar_one()

    async def project_for(self, connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity) -> UUID:
        """Return the id of the project with this identity; made if it is new, in the caller's transaction."""
        return await project_for(connection, team_id, identity)

    async def project_known_as(self, team_id: UUID, identity: ProjectIdentity) -> str | None:
        """Return the name of the project with this identity; None: the team has none, and none is made."""

        async def read(connection: AsyncConnection) -> UUID | None:
            return await find_project(connection, team_id, identity)

        project_id = await self._database.read(read)
        return None if project_id is None else (await self.project_names(team_id, {project_id})).get(project_id)

    async def find_projects(self, team_id: UUID, name: str | None = None) -> list[ProjectView]:
        """List the team's projects, by name; or the one that is, or once was, called so."""
        columns = (ProjectRow.id, ProjectRow.name, ProjectRow.identity, ProjectRow.owner, ProjectRow.created_at)
        query = select(*columns).where(ProjectRow.team_id == team_id, ProjectRow.merged_into.is_(None)).order_by(ProjectRow.name)
        if name is not None:
            called = select(func.coalesce(ProjectRow.merged_into, ProjectRow.id)).where(
                ProjectRow.team_id == team_id, ProjectRow.name == _askable(name)
            )
            query = query.where(ProjectRow.id.in_(called))
        return [ProjectView(*row) for row in await self._database.read(rows_of(query))]

    async def rename_project(self, team_id: UUID, project_id: UUID, name: str) -> None:
        """Rename a project: see `projects.rename`. Other processes show the new name within half a minute."""
        async with self._database.begin() as connection:
            await rename(connection, team_id, project_id, name)
        self._forget_projects()

    async def merge_project(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Merge a project into another (see `projects.merge`), in the caller's transaction, which moves what belonged to it."""
        await merge(connection, team_id, project_id, into)
        self._forget_projects()

    def _forget_projects(self) -> None:
        self._projects.clear()
        self._named.clear()

    async def project_named(self, team_id: UUID, name: str) -> UUID | None:
        """Return the id of the project of this name, if there is one. Cached for half a minute."""
        found: UUID | None = self._named.get((team_id, name))
        if found is None and (projects := await self.find_projects(team_id, name)):
            found = self._named[team_id, name] = projects[0].id
        return found

    async def project_names(self, team_id: UUID, projects: Collection[UUID]) -> dict[UUID, str]:
        """Return the names of these projects. Cached: a rename in another process is seen within half a minute."""
        known = {project: self._projects.get(project) for project in projects}
        if None in known.values():
            for project in await self.find_projects(team_id):
                self._projects[project.id] = project.name
                known[project.id] = project.name
        return {project: name for project in projects if (name := known[project]) is not None}

    def _forget(self, changed: str | None) -> None:
        """Forget all lookups after a key or developer was changed, here or elsewhere: nobody knows which digests are theirs."""
        del changed
        self._invalidated += 1
        self.known.clear()

    async def acting_for(self, team: str) -> Requester:
        """Return an admin who acts for a team. NotFound for an unknown one."""
        team_id = self._teams.get(team)
        if team_id is None:
            async with self._database.begin() as connection:
                team_id = await _team_id(connection, team)
            self._teams[team] = team_id
        return Requester(team_id, team, role="admin")

    async def _look_up(self, key: str, hashed: bytes) -> Requester:
        """Look a key up in the table. An unknown key takes the same comparison as a known one (no timing oracle)."""
        public_id = public_id_of(key)
        owner = None if public_id is None else await self._lookups.find(public_id)
        stored = bytes(len(hashed)) if owner is None else owner.digest
        if not hmac.compare_digest(stored, hashed) or owner is None:
            raise NotAuthenticated(
                "This key is not valid: it may be mistyped or revoked. An admin makes a new one with `cairn keys create`."
            )
        return owner.requester


def _developers() -> Select[*tuple[Any, ...]]:
    live = func.count(ApiKeyRow.id).filter(ApiKeyRow.revoked_at.is_(None))
    return (
        select(
            DeveloperRow.id,
            DeveloperRow.name,
            DeveloperRow.team_id,
            TeamRow.name,
            DeveloperRow.monthly_limit_nanousd,
            DeveloperRow.role,
            live,
            DeveloperRow.created_at,
        )
        .join(TeamRow, TeamRow.id == DeveloperRow.team_id)
        .outerjoin(ApiKeyRow, ApiKeyRow.developer_id == DeveloperRow.id)
        .group_by(DeveloperRow.id, TeamRow.name)
        .order_by(DeveloperRow.name)
    )


async def _team_id(connection: AsyncConnection, name: str) -> UUID:
    found = await connection.scalar(select(TeamRow.id).where(TeamRow.name == _askable(name)))
    if found is None:
        check_label(name, param="team")  # else the answer would repeat it
        raise NotFound(f"There is no team {name!r}. List them: GET /v1/teams or `cairn teams list`.")
    return found


def _no_developer(name: str) -> CairnError:
    try:
        check_label(name, param="developer")
    except InvalidInput as secret:
        return secret
    return NotFound(f"There is no developer {name!r}. List them: GET /v1/developers or `cairn developers list`.")


def _askable(name: str) -> str:
    """Return a name that can be looked for: PostgreSQL refuses to be asked for NUL or a lone surrogate, which no name holds."""
    return name if name.isprintable() else ""
