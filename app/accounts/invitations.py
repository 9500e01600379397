"""Invitations: one-time links by which a developer gets a key of their own, without anybody else having seen it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.api_keys import ApiKeys
from app.accounts.developers import Developers, lock_developer
from app.accounts.expiry import day_of, parse_expiry
from app.accounts.keys import digest
from app.accounts.requester import DeveloperRole
from app.accounts.tables import DeveloperRow, InvitationRow, TeamRow
from app.accounts.views import CreatedKey, DeveloperView, InvitationView
from app.errors import Conflict, InvalidInput, NotFound
from app.idempotency.keys import is_first_effect
from app.storage.database import Database
from app.storage.pages import EntryPage, PageWanted, page_of, paged
from app.storage.tables import AnyRow

MAX_OPEN: Final = timedelta(days=90)
"""The longest time for which a link may open an account."""
ENDED_KEPT: Final = timedelta(days=90)
"""The time for which an invitation stays listed after it has expired."""
MAX_TOKEN_CHARS: Final = 200
ASK = "Ask an admin for a new one: `cairn developers invite NAME`."


@dataclass(frozen=True, slots=True, repr=False)
class NewInvitation:
    """An invitation just made. `token` is shown once. `developer`: who was made for it; None: they were there already."""

    view: InvitationView
    token: str
    developer: DeveloperView | None


class Invitations:
    """Makes, lists, revokes and redeems invitations. `default_team`: of a new developer whose team nobody names."""

    def __init__(self, database: Database, developers: Developers, keys: ApiKeys, *, secret_key: str, default_team: str) -> None:
        self._database = database
        self._developers = developers
        self._keys = keys
        self._secret_key = secret_key
        self._default_team = default_team

    async def create(
        self, developer: str, *, expires: str, created_by: str, team: str | None = None, role: DeveloperRole | None = None
    ) -> NewInvitation:
        """Make an invitation, and the developer if there is none of that name.

        Conflict for a developer who is disabled, or in another team or role than the invitation says.
        """
        expires_at = parse_expiry(expires)
        if expires_at > clock.now() + MAX_OPEN:
            raise InvalidInput(f"expires is too late: an invitation is valid for at most {MAX_OPEN.days} days.", param="expires")
        token = secrets.token_urlsafe(32)
        async with self._database.begin() as connection:
            made = await self._developers.insert(connection, developer, team=team or self._default_team, role=role or "developer")
            found = await lock_developer(connection, developer)
            if made is None:
                await _check_same(connection, found, team, role)
            made_id = uuid4()
            if not await is_first_effect(connection, made=str(made_id)):
                raise Conflict(
                    "This request has already created an invitation. To create another, send a new idempotency-key.",
                    param="idempotency-key",
                )
            values = {
                "id": made_id,
                "developer_id": found.id,
                "digest": digest(self._secret_key, token),
                "created_by": created_by,
                "expires_at": expires_at,
            }
            await connection.execute(insert(InvitationRow).values(values))
            view = (await connection.execute(_invitations().where(InvitationRow.id == made_id))).one()
        return NewInvitation(InvitationView(*view), token, made)

    async def list_page(self, wanted: PageWanted, *, team_id: UUID | None = None, ended: bool = False) -> EntryPage[InvitationView]:
        """List a page of the invitations, into all teams or one; with `ended` those too that were used or revoked or have expired."""
        query = paged(_invitations(), InvitationRow, wanted)
        if team_id is not None:
            query = query.where(DeveloperRow.team_id == team_id)
        if not ended:
            query = query.where(*_still_open())
        async with self._database.begin() as connection:
            return page_of([InvitationView(*row) for row in await connection.execute(query)], wanted)

    async def revoke(self, invitation_id: UUID) -> None:
        """Revoke an invitation that is still open. NotFound for any other."""
        still_open = (InvitationRow.id == invitation_id) & InvitationRow.used_at.is_(None) & InvitationRow.revoked_at.is_(None)
        async with self._database.begin() as connection:
            revoked = await connection.execute(update(InvitationRow).where(still_open).values(revoked_at=func.now()))
        if revoked.rowcount == 0:
            raise NotFound(
                f"There is no open invitation {invitation_id}: it may have been used or revoked. List them: cairn developers invitations"
            )

    async def look(self, token: str) -> InvitationView:
        """Return an open invitation without using it. NotFound for an unknown one; Conflict for one that can't be used any more."""
        async with self._database.begin() as connection:
            return (await self._open(connection, token))[0]

    async def redeem(self, token: str, *, key_name: str | None = None) -> tuple[InvitationView, CreatedKey]:
        """Use an invitation, once, for a key of its developer's. Errors as for `look`; Conflict for a key's name that is taken, too."""
        async with self._database.begin() as connection:
            _, developer_id = await self._open(connection, token)
            # The developer first, as everybody who changes one does; both stay locked until the commit: a second use finds it used.
            await connection.execute(select(DeveloperRow.id).where(DeveloperRow.id == developer_id).with_for_update(key_share=True))
            found, _ = await self._open(connection, token, lock=True)
            key = await self._keys.insert(connection, developer_id, name=key_name, param="key_name")
            used = update(InvitationRow).where(InvitationRow.id == found.id).values(used_at=func.now(), key_id=key.id)
            await connection.execute(used)
        return found, key

    async def sweep(self) -> int:
        """Delete invitations that expired long ago; return their number."""
        async with self._database.begin() as connection:
            old = InvitationRow.expires_at < func.now() - ENDED_KEPT
            return (await connection.execute(delete(InvitationRow).where(old))).rowcount

    async def _open(self, connection: AsyncConnection, token: str, *, lock: bool = False) -> tuple[InvitationView, UUID]:
        query = _invitations(InvitationRow.developer_id, DeveloperRow.disabled_at)
        query = query.where(InvitationRow.digest == digest(self._secret_key, token[:MAX_TOKEN_CHARS]))
        if lock:
            query = query.with_for_update(of=InvitationRow)
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"This server doesn't know this invitation: the link may be mistyped, incomplete or for another server. {ASK}")
        found = InvitationView(*row[:-2])
        match found.state:
            case "used":
                raise Conflict(
                    f"This invitation was used on {day_of(found.used_at or clock.now())}; an invitation works only once. {ASK}",
                    code="invitation_used",
                )
            case "revoked":
                raise Conflict(f"This invitation was revoked. {ASK}", code="invitation_revoked")
            case "expired":
                raise Conflict(f"This invitation expired on {day_of(found.expires_at)}. {ASK}", code="invitation_expired")
        if row[-1] is not None:
            raise Conflict(
                f"{found.developer} is disabled: ask an admin to enable them, then use the invitation.", code="developer_disabled"
            )
        return found, row[-2]


async def _check_same(connection: AsyncConnection, found: AnyRow, team: str | None, role: DeveloperRole | None) -> None:
    """Refuse an invitation that says other things of a developer than what is stored: it would change them unseen."""
    stored_team = await connection.scalar(select(TeamRow.name).where(TeamRow.id == found.team_id))
    if found.disabled_at is not None:
        raise Conflict(f"{found.name} is disabled. First: cairn developers enable {found.name}")
    if team not in {None, stored_team}:
        raise Conflict(f"{found.name} is in the team {stored_team} already: leave out the team, or choose another name.", param="team")
    if role not in {None, found.role}:
        raise Conflict(f"{found.name} has the role {found.role} already: change it with `cairn developers set-role`.", param="role")


def _still_open() -> tuple[ColumnElement[bool], ...]:
    return InvitationRow.used_at.is_(None), InvitationRow.revoked_at.is_(None), InvitationRow.expires_at > func.now()


def _invitations(*more: Any) -> Select[*tuple[Any, ...]]:
    columns = (
        InvitationRow.id,
        DeveloperRow.name,
        TeamRow.name,
        DeveloperRow.role,
        InvitationRow.created_by,
        InvitationRow.created_at,
        InvitationRow.expires_at,
        InvitationRow.used_at,
        InvitationRow.revoked_at,
    )
    joined = select(*columns, *more).join(DeveloperRow, DeveloperRow.id == InvitationRow.developer_id)
    return joined.join(TeamRow, TeamRow.id == DeveloperRow.team_id)
