"""Sign-ins: what a browser shows instead of a key. Each is checked again with every page: a key that is revoked ends it at once.

Knows no cookie: what it gives out is an id, which opens nothing by itself. Who signs it is the dashboard.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.accounts import DEFAULT_TEAM, SIGNED_OUT, Accounts, check_unexpired, disabled
from app.accounts.key_lookups import models_of
from app.accounts.keys import digest, public_id_of
from app.accounts.membership import closed_to_developer
from app.accounts.openid_accounts import OpenIdAccounts, RecognizedDeveloper
from app.accounts.requester import Requester
from app.accounts.tables import ApiKeyRow, DeveloperRow, OpenIdAccountRow, SignInRow, TeamRow
from app.errors import NotAuthenticated
from app.openid.claims import ExternalIdentity
from app.storage.database import Database
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """A sign-in that somebody began whom the provider has identified, and who they are here."""

    id: UUID
    developer: RecognizedDeveloper


class SignIns:
    """Begins, checks and ends sign-ins."""

    def __init__(
        self, database: Database, accounts: Accounts, *, admin_key: str, secret_key: str, openid: OpenIdAccounts | None = None
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._admin = digest(secret_key, admin_key)
        self._openid = openid or OpenIdAccounts(database, accounts.developers)

    async def begin(self, key: str, *, hours: float) -> UUID:
        """Begin a sign-in with this key. NotAuthenticated as for `Accounts.authenticate`."""
        requester = await self._accounts.authenticate(key)
        async with self._database.begin() as connection:
            key_id = None
            if requester.key_id is not None:
                live = (ApiKeyRow.lookup == public_id_of(key)) & ApiKeyRow.revoked_at.is_(None)
                key_id = await connection.scalar(select(ApiKeyRow.id).where(live))
                if key_id is None:
                    raise NotAuthenticated(SIGNED_OUT)
            admin_digest = self._admin if requester.key_id is None else None
            return await _insert(connection, hours=hours, key_id=key_id, admin_digest=admin_digest)

    async def begin_with(self, identity: ExternalIdentity, *, hours: float) -> BegunSignIn:
        """Begin a sign-in of somebody whom the provider has identified. NotAuthenticated as for `OpenIdAccounts.recognize`."""
        async with self._database.begin() as connection:
            recognized = await self._openid.recognize(connection, identity)
            sign_in = await _insert(connection, hours=hours, openid_account_id=recognized.account_id)
        if recognized.new_role is not None:
            self._accounts.developers.role_changed(recognized.developer_id)
        return BegunSignIn(sign_in, recognized)

    async def who(self, sign_in: UUID, *, team: str | None = None) -> Requester:
        """Return a sign-in's requester. NotAuthenticated: it is over. NotPermitted: no admin asks for another `team` than their own."""
        query = _WHO.where(SignInRow.id == sign_in, SignInRow.ends_at > clock.now())
        async with self._database.begin() as connection:
            row: AnyRow | None = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotAuthenticated(SIGNED_OUT)
        key_id, issuer, admin_digest, revoked_at, expires_at, disabled_at, *about = row
        team_id, its_team, developer_id, developer, role, closed, models = about
        if key_id is None and issuer is None:
            if admin_digest is None or not hmac.compare_digest(admin_digest, self._admin):
                raise NotAuthenticated(SIGNED_OUT)
            return await self._accounts.acting_for(team or DEFAULT_TEAM)
        if revoked_at is not None or developer_id is None or issuer not in {None, self._openid.issuer}:
            raise NotAuthenticated(SIGNED_OUT)
        check_unexpired(expires_at)
        if disabled_at is not None:
            raise disabled(developer)
        if key_id is not None:
            self._accounts.keys.record_use(key_id)
        allowed = models_of(models)
        requester = Requester(team_id, its_team, developer_id, developer, key_id, role, closed=frozenset(closed), models=allowed)
        return await self._accounts.in_team(requester, its_team if team is None else team)

    async def end(self, sign_in: UUID) -> None:
        """Sign out. Ending it again changes nothing."""
        async with self._database.begin() as connection:
            await connection.execute(delete(SignInRow).where(SignInRow.id == sign_in))


async def _insert(connection: AsyncConnection, *, hours: float, **begun_with: UUID | bytes | None) -> UUID:
    """Store a sign-in, and delete those that are over."""
    now, sign_in = clock.now(), uuid4()
    await connection.execute(insert(SignInRow).values(id=sign_in, ends_at=now + timedelta(hours=hours), **begun_with))
    await connection.execute(delete(SignInRow).where(SignInRow.ends_at <= now))
    return sign_in


_WHO: Select[*tuple[Any, ...]] = (  # outer joins: any column may be null
    select(
        SignInRow.key_id,
        OpenIdAccountRow.issuer,
        SignInRow.admin_digest,
        ApiKeyRow.revoked_at,
        ApiKeyRow.expires_at,
        DeveloperRow.disabled_at,
        TeamRow.id,
        TeamRow.name,
        DeveloperRow.id,
        DeveloperRow.name,
        DeveloperRow.role,
        closed_to_developer().label("closed"),
        ApiKeyRow.models,
    )
    .outerjoin(ApiKeyRow, ApiKeyRow.id == SignInRow.key_id)
    .outerjoin(OpenIdAccountRow, OpenIdAccountRow.id == SignInRow.openid_account_id)
    .outerjoin(DeveloperRow, DeveloperRow.id == func.coalesce(ApiKeyRow.developer_id, OpenIdAccountRow.developer_id))
    .outerjoin(TeamRow, TeamRow.id == DeveloperRow.team_id)
)
