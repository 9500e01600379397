"""Teams and projects; who is behind a key. Knows nothing of HTTP, and of money only the limit's column.

Developers and keys themselves: `developers.py`, `api_keys.py`.

Lookups of keys are cached (`cache.keys`): a revoked key or a changed role counts in this process at once, in another one
within moments, or, where the message was lost, once the cached lookup has expired there.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import cachebox
import msgspec
from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.api_keys import ApiKeys
from app.accounts.developers import Developers, was_removed
from app.accounts.expiry import day_of
from app.accounts.finding import find_team_id
from app.accounts.key_lookups import KeyLookups
from app.accounts.keys import digest, public_id_of
from app.accounts.names import canonical, check_account_name
from app.accounts.project_directory import ProjectDirectory
from app.accounts.prompts import PromptAudit
from app.accounts.requester import DeveloperRole, Permission, Requester
from app.accounts.tables import DeveloperRow, TeamRow
from app.accounts.views import DeveloperView, TeamView
from app.cache.memory import MemoryCache
from app.errors import Conflict, NotAuthenticated, NotFound, NotPermitted
from app.idempotency.keys import is_first_effect
from app.settings import KeysCacheSettings
from app.storage.database import Database, rows_of
from app.storage.invalidations import Invalidations
from app.storage.pages import EntryPage, PageWanted, page_of, paged

T = TypeVar("T")
DEFAULT_TEAM = "default"
KEYS = "keys"
"""The topic of the invalidations: a key was revoked, a developer's role was changed, or whom a project is open to."""
CACHED_SECONDS = 30
CACHED_KEYS = 10_000
RENEWED_SECONDS = 30.0
"""A lasting requester is looked up again after this at the latest: a message of a change may have been lost."""
NOT_VALID = "This key is not valid: it may be mistyped or revoked. An admin makes a new one with `cairn keys create`."
SIGNED_OUT = "You were signed out: the sign-in has ended, or its key was revoked. Sign in again."
NO_DEVELOPER = "There is no such developer. List them: GET /v1/developers or `cairn developers list`."
ANOTHER_TEAM = "Only an admin can act for another team. Name your own team, or none."
_known_in = msgspec.msgpack.Decoder(tuple[Requester, datetime | None]).decode


class Accounts(ProjectDirectory):
    """Stores accounts and authenticates keys. `known`: the cached lookups: who and until when, by the key's digest."""

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
        super().__init__(database)
        self._invalidations = invalidations or Invalidations()
        self._invalidations.subscribe(KEYS, self._forget)
        self._admin = digest(secret_key, admin_key)
        self._secret_key = secret_key
        self.developers = Developers(database, default_limit_nanousd=default_limit_nanousd, changed=self._requesters_changed)
        self.prompts = PromptAudit(database)
        self.keys = ApiKeys(database, secret_key=secret_key, changed=self._requesters_changed)
        cached = cached or KeysCacheSettings()
        self.known = MemoryCache(cached.policy, entries=cached.entries, max_bytes=cached.max_bytes)
        self._known_seconds = cached.ttl_seconds
        self._teams: cachebox.TTLCache[str, UUID | None] = cachebox.TTLCache(CACHED_KEYS, CACHED_SECONDS)
        self._invalidated = 0
        self._lookups = KeyLookups(database)

    async def ensure_defaults(self) -> None:
        """Make the team `default` if it is missing. Safe to run from several processes at once."""
        async with self._database.begin() as connection:
            await connection.execute(upsert(TeamRow).values(name=DEFAULT_TEAM).on_conflict_do_nothing())

    async def authenticate(self, key: str) -> Requester:
        """Return who is behind a key; an admin for the team `default`.

        NotAuthenticated for an unknown, revoked or expired one, and where its developer is disabled.
        """
        hashed = digest(self._secret_key, key)
        if hmac.compare_digest(hashed, self._admin):
            return await self.acting_for(DEFAULT_TEAM)
        cached = self.known.get(hashed)
        if cached is not None:
            requester, expires_at = _known_in(cached)
        else:
            invalidated = self._invalidated
            requester, expires_at = await self._look_up(key, hashed)
            if invalidated == self._invalidated:  # else what was just read may have been revoked or changed since
                self.known.set(hashed, msgspec.msgpack.encode((requester, expires_at)), self._known_seconds)
        check_unexpired(expires_at)
        if requester.key_id is not None:
            self.keys.record_use(requester.key_id)
        return requester

    async def in_team(self, requester: Requester, team: str) -> Requester:
        """Let an admin act for a team; NotFound for an unknown one. Others have their own (else NotPermitted).

        A developer with the role admin goes on being themselves: their calls of models stay at their own cost, in their own team.
        """
        if team == requester.team:
            return requester
        if not requester.is_admin:
            raise NotPermitted(ANOTHER_TEAM)
        there = await self.acting_for(team or DEFAULT_TEAM)
        return replace(requester, team_id=there.team_id, team=there.team, acts_for=requester.acts_for or requester.developer)

    async def create_team(self, name: str) -> TeamView:
        """Make a team. InvalidInput for a name that can't be used, Conflict for one that is taken."""
        name = canonical(name)
        check_account_name(name)
        row = upsert(TeamRow).values(name=name).on_conflict_do_nothing().returning(TeamRow.id, TeamRow.created_at)
        async with self._database.begin() as connection:
            first = await is_first_effect(connection)
            known = select(TeamRow.id, TeamRow.created_at).where(TeamRow.name == name)
            made = (await connection.execute(row if first else known)).one_or_none()
            if made is None:  # raised within, so that this isn't recorded as an effect
                raise Conflict(f"A team {name!r} exists already. Choose another name.", param="name")
        return TeamView(made.id, name, made.created_at, developers=0)

    async def list_teams(self) -> list[TeamView]:
        return [TeamView(*row) for row in await self._database.read(rows_of(_teams().order_by(TeamRow.name)))]

    async def list_teams_page(self, wanted: PageWanted) -> EntryPage[TeamView]:
        """List a page of the teams."""
        query = paged(_teams(), TeamRow, wanted)
        return page_of([TeamView(*row) for row in await self._database.read(rows_of(query))], wanted)

    async def create_developer(
        self, name: str, *, team: str = DEFAULT_TEAM, monthly_limit_nanousd: int | None = None, role: DeveloperRole = "developer"
    ) -> DeveloperView:
        """Make a developer: see `Developers.create`."""
        return await self.developers.create(name, team=team, monthly_limit_nanousd=monthly_limit_nanousd, role=role)

    async def list_developers(self, *, team_id: UUID | None = None, removed: bool = False) -> list[DeveloperView]:
        """List all developers, or a team's, by name; with `removed` those who were removed too."""
        return await self.developers.list_all(team_id=team_id, removed=removed)

    async def find_developer(self, name: str, *, team_id: UUID | None = None) -> DeveloperView:
        """Find a developer, with `team_id` only among that team's. NotFound for an unknown one."""
        return await self.developers.find(name, team_id=team_id)

    async def find_present_developer(self, name: str) -> DeveloperView:
        """Find a developer, to change something of theirs. NotFound for an unknown one, Conflict for one who was removed."""
        found = await self.developers.find(name)
        if found.removed_at is not None:
            raise was_removed(name)
        return found

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
            return await find_team_id(connection, name)

    async def store_monthly_limit(self, connection: AsyncConnection, developer_id: UUID, nanousd: int) -> None:
        """Store a monthly limit that the ledger sets in the same transaction. NotFound for an unknown developer."""
        noted = await connection.execute(update(DeveloperRow).where(DeveloperRow.id == developer_id).values(monthly_limit_nanousd=nanousd))
        if noted.rowcount == 0:
            raise NotFound(NO_DEVELOPER)

    async def read_monthly_limit(self, connection: AsyncConnection, developer_id: UUID) -> int:
        """Return a developer's monthly limit. NotFound for an unknown developer."""
        found = await connection.scalar(select(DeveloperRow.monthly_limit_nanousd).where(DeveloperRow.id == developer_id))
        if found is None:
            raise NotFound(NO_DEVELOPER)
        return found

    @property
    def changes(self) -> int:
        """A number that grows when a key, a role or whom a project is open to changes: who keeps a requester refreshes it then."""
        return self._invalidated

    async def refreshed(self, requester: Requester) -> Requester:
        """Return the requester as they are now: their role, and the projects that are closed to them.

        NotAuthenticated where their key no longer opens anything, NotPermitted where they act for another team and are no admin any more.
        """
        return (await self.looked_up_again(requester))[0]

    async def looked_up_again(self, requester: Requester) -> tuple[Requester, datetime | None]:
        """Return (the requester as they are now, when their key expires). Errors as for `refreshed`."""
        if requester.developer_id is None:  # the admin key
            return requester, None
        if requester.key_id is None:  # signed in with an OpenID provider
            found, expires_at = await self._lookups.find_developer(requester.developer_id), None
            if found is None:
                raise NotAuthenticated(SIGNED_OUT)
        else:
            owner = await self._lookups.find_by_id(requester.key_id)
            found, expires_at = (None, None) if owner is None else ((owner.requester, owner.disabled), owner.expires_at)
        if found is None:
            raise NotAuthenticated(NOT_VALID)
        now, is_disabled = found
        if is_disabled:
            raise disabled(now.name)
        check_unexpired(expires_at)
        if requester.team_id != now.team_id and not now.is_admin:
            raise NotPermitted(ANOTHER_TEAM)
        return replace(requester, role=now.role, closed=now.closed, models=now.models), expires_at

    async def lasting(self, requester: Requester) -> LastingRequester:
        """Return the requester of an answer that goes on for minutes. Errors as for `refreshed`."""
        made = LastingRequester(self, requester)
        await made.now()
        return made

    async def while_permitted(self, requester: Requester, entries: AsyncGenerator[T], *, needs: Permission) -> AsyncGenerator[T]:
        """Yield entries while their reader is who they are and has the permission. Errors, between two entries, as for `refreshed`."""
        reader = LastingRequester(self, requester)
        async with aclosing(entries):
            async for each in entries:
                (await reader.now()).check(needs)
                yield each

    def _requesters_changed(self, changed: UUID) -> None:
        """Forget lookups here and in other processes, once it is committed that a key, a developer or whom a project is open to changed."""
        self._forget(str(changed))
        self._invalidations.publish(KEYS, str(changed))

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
                team_id = await find_team_id(connection, team)
            self._teams[team] = team_id
        return Requester(team_id, team, role="admin")

    async def _look_up(self, key: str, hashed: bytes) -> tuple[Requester, datetime | None]:
        """Look a key up: (its requester, when it expires). An unknown key takes the same comparison as a known one (no timing oracle)."""
        public_id = public_id_of(key)
        owner = None if public_id is None else await self._lookups.find(public_id)
        stored = bytes(len(hashed)) if owner is None else owner.digest
        if not hmac.compare_digest(stored, hashed) or owner is None:
            raise NotAuthenticated(NOT_VALID)
        if owner.disabled:
            raise disabled(owner.requester.name)
        return owner.requester, owner.expires_at


class LastingRequester:
    """The requester of an answer that goes on: asked for before each part of it, they are who they are by then."""

    def __init__(self, accounts: Accounts, requester: Requester) -> None:
        self._accounts = accounts
        self._requester = requester
        self._expires_at: datetime | None = None
        self._changes: int | None = None
        self._renewed_at = 0.0

    async def now(self) -> Requester:
        """Return the requester as they are now, looked up again where keys, roles or projects have changed. Errors as for `refreshed`."""
        changes, at = self._accounts.changes, time.monotonic()
        if changes != self._changes or at - self._renewed_at >= RENEWED_SECONDS:
            self._requester, self._expires_at = await self._accounts.looked_up_again(self._requester)
            self._changes, self._renewed_at = changes, at
        check_unexpired(self._expires_at)
        return self._requester


def _teams() -> Select[*tuple[Any, ...]]:
    query = select(TeamRow.id, TeamRow.name, TeamRow.created_at, func.count(DeveloperRow.id))
    joined = query.outerjoin(DeveloperRow, (DeveloperRow.team_id == TeamRow.id) & DeveloperRow.removed_at.is_(None))
    return joined.group_by(TeamRow.id)


def check_unexpired(expires_at: datetime | None) -> None:
    """Raise NotAuthenticated where a key has expired."""
    if expires_at is not None and expires_at <= clock.now():
        raise NotAuthenticated(
            f"This key expired on {day_of(expires_at)}: ask an admin for a new one (`cairn keys create NAME`), or for an invitation"
            " (`cairn developers invite NAME`).",
            code="key_expired",
        )


def disabled(developer: str) -> NotAuthenticated:
    """Return the error for a key or sign-in of a developer who is disabled."""
    return NotAuthenticated(
        f"{developer} is disabled, so all their keys and sign-ins are refused."
        " An admin can enable them again (`cairn developers enable NAME`).",
        code="developer_disabled",
    )
