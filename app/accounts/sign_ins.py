"""Sign-ins: what a browser shows instead of a key. Each is asked again with every page: a key revoked anywhere ends it at once.

Knows no cookie: what it gives out is an id, which opens nothing by itself. Who signs it is the dashboard.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select

from app import clock
from app.accounts.accounts import DEFAULT_TEAM, Accounts
from app.accounts.keys import digest, public_id_of
from app.accounts.requester import Requester
from app.accounts.tables import ApiKeyRow, DeveloperRow, SignInRow, TeamRow
from app.errors import NotAuthenticated, NotPermitted
from app.storage.database import Database

OVER = "You were signed out: the sign-in has ended, or its key was revoked. Sign in again."


class SignIns:
    """Begins, checks and ends sign-ins."""

    def __init__(self, database: Database, accounts: Accounts, *, admin_key: str, secret_key: str) -> None:
        self._database = database
        self._accounts = accounts
        self._admin = digest(secret_key, admin_key)

    async def begin(self, key: str, *, hours: float) -> UUID:
        """Begin a sign-in with this key. NotAuthenticated for an unknown or revoked one."""
        requester = await self._accounts.authenticate(key)
        now = clock.now()
        async with self._database.begin() as connection:
            key_id = None
            if not requester.is_admin:
                live = (ApiKeyRow.lookup == public_id_of(key)) & ApiKeyRow.revoked_at.is_(None)
                key_id = await connection.scalar(select(ApiKeyRow.id).where(live))
                if key_id is None:
                    raise NotAuthenticated(OVER)
            sign_in = uuid4()
            values = {
                "id": sign_in,
                "key_id": key_id,
                "admin_digest": self._admin if requester.is_admin else None,
                "ends_at": now + timedelta(hours=hours),
            }
            await connection.execute(insert(SignInRow).values(values))
            await connection.execute(delete(SignInRow).where(SignInRow.ends_at <= now))
        return sign_in

    async def who(self, sign_in: UUID, *, team: str | None = None) -> Requester:
        """Return a sign-in's requester. NotAuthenticated: it is over. NotPermitted: a developer asks for another `team` than their own."""
        query = (
            select(
                SignInRow.key_id,
                SignInRow.admin_digest,
                ApiKeyRow.revoked_at,
                TeamRow.id,
                TeamRow.name,
                DeveloperRow.id,
                DeveloperRow.name,
                DeveloperRow.role,
            )
            .outerjoin(ApiKeyRow, ApiKeyRow.id == SignInRow.key_id)
            .outerjoin(DeveloperRow, DeveloperRow.id == ApiKeyRow.developer_id)
            .outerjoin(TeamRow, TeamRow.id == DeveloperRow.team_id)
            .where(SignInRow.id == sign_in, SignInRow.ends_at > clock.now())
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotAuthenticated(OVER)
        key_id, admin_digest, revoked_at, team_id, its_team, developer_id, developer, role = row
        if key_id is None:
            if admin_digest is None or not hmac.compare_digest(admin_digest, self._admin):
                raise NotAuthenticated(OVER)
            return await self._accounts.acting_for(team or DEFAULT_TEAM)
        if revoked_at is not None or developer_id is None:
            raise NotAuthenticated(OVER)
        if team not in {None, its_team}:
            raise NotPermitted("Only an admin can look at another team.")
        return Requester(team_id, its_team, developer_id, developer, key_id, role)

    async def end(self, sign_in: UUID) -> None:
        """Sign out. Ending it again changes nothing."""
        async with self._database.begin() as connection:
            await connection.execute(delete(SignInRow).where(SignInRow.id == sign_in))
