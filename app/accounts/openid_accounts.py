"""Developers' accounts at an OpenID provider: recognized, linked, unlinked. Knows no token: who somebody is was verified before.

An account is known by its issuer and subject alone, once it has signed in: an e-mail address that the provider gives to somebody else later
leads to nobody else's account here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import disabled
from app.accounts.developers import Developers, lock_developer, was_called
from app.accounts.finding import askable, no_developer
from app.accounts.names import canonical
from app.accounts.requester import DeveloperRole
from app.accounts.tables import DeveloperRow, OpenIdAccountRow
from app.accounts.views import DeveloperView, OpenIdAccountView
from app.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from app.openid.claims import REFUSED, ExternalIdentity
from app.settings import OpenIdSettings
from app.storage.database import Database
from app.storage.pages import EntryPage, PageWanted, page_of, paged
from app.storage.tables import AnyRow

MAX_EMAIL_CHARS: Final = 254
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
OFF: Final = "Sign-in with OpenID is off here. An operator sets it up: openid.issuer, see docs/how-to/sign-in-with-openid.md."

UNLINKED: Final = "Your account was unlinked at this moment: sign in again."


@dataclass(frozen=True, slots=True)
class RecognizedDeveloper:
    """A developer who signs in, and what that has changed.

    `linked`: the account is theirs since just now. `made`: they were made for it, as they were then. `new_role`: the one that the
    provider's values have given them just now; None: they have it already, or roles aren't the provider's matter.
    """

    account_id: UUID
    developer_id: UUID
    name: str
    linked: bool
    made: DeveloperView | None
    new_role: DeveloperRole | None


class OpenIdAccounts:
    """Stores accounts at the provider of the settings; those of another one open nothing."""

    def __init__(self, database: Database, developers: Developers, settings: OpenIdSettings | None = None) -> None:
        self._database = database
        self._developers = developers
        self._settings = settings or OpenIdSettings()

    @property
    def issuer(self) -> str | None:
        return self._settings.issuer

    async def recognize(self, connection: AsyncConnection, identity: ExternalIdentity) -> RecognizedDeveloper:
        """Find, link or make the developer of somebody at the provider, in the caller's transaction.

        NotAuthenticated for somebody unknown, disabled or removed, and where the developer is another account's.
        """
        # One at a time: two tabs of somebody new make one account.
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"openid {identity.issuer} {identity.subject}", 0))
        await connection.execute(select(lock))
        found, made = await self._known(connection, identity), None
        linked = found is None or found.removed_at is not None
        if linked:
            made = await self._link(connection, identity, instead_of=found)
            found = await self._known(connection, identity)
        if found is None:
            raise NotAuthenticated(UNLINKED)
        if found.disabled_at is not None:
            raise disabled(found.developer)
        await self._record_use(connection, found.id, identity)
        new_role = identity.role if identity.role != found.role else None
        if new_role is not None:
            await connection.execute(update(DeveloperRow).where(DeveloperRow.id == found.developer_id).values(role=new_role))
        return RecognizedDeveloper(found.id, found.developer_id, found.developer, linked, made, new_role)

    async def link(self, developer: str, email: str) -> OpenIdAccountView:
        """Let whoever has this verified address at the provider be this developer from their first sign-in on.

        NotFound for an unknown developer; Conflict for one who has signed in with an account already, and for an address that is awaited
        for another developer.
        """
        issuer, address = self._on(), canonical(email.strip().lower())
        plain = address.isprintable() and unicodedata.is_normalized("NFKC", address)  # as claims.py takes it
        if not plain or not _EMAIL.fullmatch(address) or len(address) > MAX_EMAIL_CHARS:
            raise InvalidInput("email must be an address such as ada@example.com.", param="email")
        awaited = (OpenIdAccountRow.issuer == issuer) & OpenIdAccountRow.subject.is_(None)
        async with self._database.begin() as connection:
            found = await lock_developer(connection, developer)
            await connection.execute(delete(OpenIdAccountRow).where(awaited, OpenIdAccountRow.developer_id == found.id))
            own = (OpenIdAccountRow.issuer == issuer) & (OpenIdAccountRow.developer_id == found.id)
            if await connection.scalar(select(OpenIdAccountRow.id).where(own)):
                raise Conflict(f"{developer} signs in with an account already. First: cairn developers unlink {developer}")
            values = {"id": uuid4(), "developer_id": found.id, "issuer": issuer, "email": address}
            made = await connection.execute(upsert(OpenIdAccountRow).values(values).on_conflict_do_nothing())
            if made.rowcount == 0:  # the index says so: another admin may be linking it at this moment
                raise Conflict(f"{address} is linked to another developer. See them: cairn developers linked", param="email")
            row = (await connection.execute(_views().where(own))).one()
        return OpenIdAccountView(*row)

    async def unlink(self, developer: str) -> None:
        """Forget a developer's accounts, and end their sign-ins. NotFound for an unknown developer, or one without an account."""
        async with self._database.begin() as connection:
            developer_id = await connection.scalar(select(DeveloperRow.id).where(DeveloperRow.name == askable(developer)))
            if developer_id is None:
                raise no_developer(developer)
            gone = await connection.execute(delete(OpenIdAccountRow).where(OpenIdAccountRow.developer_id == developer_id))
            if gone.rowcount == 0:
                raise NotFound(f"{developer} has no account at a provider. See who has: cairn developers linked")

    async def list_page(self, wanted: PageWanted) -> EntryPage[OpenIdAccountView]:
        """List a page of the accounts, those of removed developers too."""
        query = paged(_views(), OpenIdAccountRow, wanted)
        async with self._database.begin() as connection:
            return page_of([OpenIdAccountView(*row) for row in await connection.execute(query)], wanted)

    async def _known(self, connection: AsyncConnection, identity: ExternalIdentity) -> AnyRow | None:
        """Find the account of somebody who has signed in before; its developer is locked against changes of their state."""
        query = (
            select(
                OpenIdAccountRow.id,
                OpenIdAccountRow.developer_id,
                DeveloperRow.name.label("developer"),
                DeveloperRow.role,
                DeveloperRow.disabled_at,
                DeveloperRow.removed_at,
            )
            .join(DeveloperRow, DeveloperRow.id == OpenIdAccountRow.developer_id)
            .where(OpenIdAccountRow.issuer == identity.issuer, OpenIdAccountRow.subject == identity.subject)
            .with_for_update(of=DeveloperRow, key_share=True)
        )
        return (await connection.execute(query)).one_or_none()

    async def _take_awaited(self, connection: AsyncConnection, identity: ExternalIdentity, *, instead_of: AnyRow | None) -> bool:
        """Link an account to the developer whom an admin has linked its address to; `instead_of`: a removed developer's."""
        if identity.email is None:
            return False
        awaited = (OpenIdAccountRow.issuer == identity.issuer) & OpenIdAccountRow.subject.is_(None)
        awaited &= OpenIdAccountRow.email == identity.email
        theirs = select(OpenIdAccountRow.id).join(DeveloperRow, DeveloperRow.id == OpenIdAccountRow.developer_id).where(awaited)
        # The developer first, as whoever links or removes them does: each would wait for the other.
        found = await connection.scalar(theirs.with_for_update(of=DeveloperRow, key_share=True))
        if found is None:
            return False
        await self._forget(connection, instead_of)
        still = (OpenIdAccountRow.id == found) & awaited
        taken = await connection.execute(update(OpenIdAccountRow).where(still).values(subject=identity.subject))
        return taken.rowcount == 1

    async def _link(self, connection: AsyncConnection, identity: ExternalIdentity, *, instead_of: AnyRow | None) -> DeveloperView | None:
        """Link an account to a developer: whom an admin has linked to its address, else whom its claim names. Return one who was made."""
        if await self._take_awaited(connection, identity, instead_of=instead_of):
            return None
        names = await self._named(connection, identity)
        name, made = names[0] if len(names) == 1 else identity.name, None
        if not names:
            if instead_of is not None:
                raise _removed(identity)
            made = await self._make(connection, identity)
        await self._link_by_name(connection, identity, name, instead_of=instead_of)
        return made

    async def _named(self, connection: AsyncConnection, identity: ExternalIdentity) -> Sequence[str]:
        """Return the names of the developers, two at most, whom an account's claim names."""
        same = DeveloperRow.name == askable(identity.name)
        if self._settings.claim == "email":  # people write their address in either case; it is lower-case in `identity`
            same = func.lower(DeveloperRow.name) == askable(identity.name)
        return (await connection.scalars(select(DeveloperRow.name).where(same, DeveloperRow.removed_at.is_(None)).limit(2))).all()

    async def _link_by_name(self, connection: AsyncConnection, identity: ExternalIdentity, name: str, *, instead_of: AnyRow | None) -> None:
        developer = await lock_developer(connection, name)
        if developer.disabled_at is not None:
            raise disabled(name)
        own = (OpenIdAccountRow.issuer == identity.issuer) & (OpenIdAccountRow.developer_id == developer.id)
        if await connection.scalar(select(OpenIdAccountRow.id).where(own)):
            raise NotAuthenticated(
                f"{name} is linked to another account at {self._settings.name}. If that isn't yours any more, ask an admin:"
                f" `cairn developers unlink {name}`, then sign in again.",
                code=REFUSED,
            )
        await self._forget(connection, instead_of)
        values = {"id": uuid4(), "developer_id": developer.id, "issuer": identity.issuer, "subject": identity.subject}
        await connection.execute(insert(OpenIdAccountRow).values(values))

    async def _forget(self, connection: AsyncConnection, account: AnyRow | None) -> None:
        """Forget a removed developer's account, which is another developer's now."""
        if account is not None:
            await connection.execute(delete(OpenIdAccountRow).where(OpenIdAccountRow.id == account.id))

    async def _record_use(self, connection: AsyncConnection, account_id: UUID, identity: ExternalIdentity) -> None:
        """Note when an account was used, and its address. NotAuthenticated where an admin has unlinked it at this moment."""
        values = {"last_used_at": func.now(), "email": func.coalesce(identity.email, OpenIdAccountRow.email)}
        used = await connection.execute(update(OpenIdAccountRow).where(OpenIdAccountRow.id == account_id).values(values))
        if used.rowcount == 0:
            raise NotAuthenticated(UNLINKED)

    async def _make(self, connection: AsyncConnection, identity: ExternalIdentity) -> DeveloperView | None:
        """Make the developer of somebody unknown, or refuse them. None: somebody made them just now."""
        if not self._settings.create:
            raise NotAuthenticated(
                f"{self._settings.name} knows you as {identity.name}, and there is no developer of that name here. Ask an admin to add you:"
                f" `cairn developers add {identity.name}`; or, if you have another name here: `cairn developers link NAME EMAIL`.",
                code=REFUSED,
            )
        if await was_called(connection, identity.name):
            raise _removed(identity)  # who had keys alone, too
        role = identity.role or self._settings.role
        return await self._developers.insert(connection, identity.name, team=self._settings.team, role=role)

    def _on(self) -> str:
        if self._settings.issuer is None:
            raise Conflict(OFF)
        return self._settings.issuer


def _removed(identity: ExternalIdentity) -> NotAuthenticated:
    return NotAuthenticated(
        f"{identity.name} was removed. Ask an admin to add you again: `cairn developers add {identity.name}`; or, if you get another name"
        " here, `cairn developers add NAME` and `cairn developers link NAME EMAIL`.",
        code=REFUSED,
    )


def _views() -> Select[*tuple[Any, ...]]:
    return select(
        OpenIdAccountRow.id,
        DeveloperRow.name,
        OpenIdAccountRow.issuer,
        OpenIdAccountRow.subject,
        OpenIdAccountRow.email,
        OpenIdAccountRow.created_at,
        OpenIdAccountRow.last_used_at,
    ).join(DeveloperRow, DeveloperRow.id == OpenIdAccountRow.developer_id)
