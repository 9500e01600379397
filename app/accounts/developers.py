"""Developers: made, given roles, disabled, removed. A removed one's row stays, under another name: money and sessions refer to it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.finding import askable, find_team_id, no_developer
from app.accounts.names import MAX_CHARS, canonical, check_account_name
from app.accounts.requester import ADMIN_NAME, DeveloperRole
from app.accounts.tables import ApiKeyRow, DeveloperRow, InvitationRow, OpenIdAccountRow, SignInRow, TeamRow
from app.accounts.views import DeveloperFilter, DeveloperView
from app.errors import Conflict, InvalidInput
from app.idempotency.keys import is_first_effect
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, PageWanted, page_of, paged
from app.storage.revisions import check_revision
from app.storage.tables import AnyRow

MAX_NANOUSD: Final = 2**63 - 1
Changed = Callable[[UUID], None]
"""Called once a key or a developer was changed and that is committed: whatever was cached of them is out of date."""


@dataclass(frozen=True, slots=True)
class RemovedDeveloper:
    """A developer who was removed just now. `name`: under which their row stays."""

    id: UUID
    team_id: UUID
    name: str


class Developers:
    """Stores developers. `changed`: invalidates what is cached of their keys."""

    def __init__(self, database: Database, *, default_limit_nanousd: int, changed: Changed) -> None:
        self._database = database
        self._default_limit = default_limit_nanousd
        self._changed = changed

    async def create(
        self, name: str, *, team: str, monthly_limit_nanousd: int | None = None, role: DeveloperRole = "developer"
    ) -> DeveloperView:
        """Make a developer. InvalidInput for a bad name or limit, NotFound for an unknown team, Conflict for a taken name."""
        async with self._database.begin() as connection:
            first, made = await is_first_effect(connection), None
            if first:
                made = await self.insert(connection, name, team=team, monthly_limit_nanousd=monthly_limit_nanousd, role=role)
                if made is None:  # raised within, so that this isn't recorded as an effect
                    raise Conflict(f"A developer {name!r} exists already, in this team or another. Choose another name.", param="name")
        return made or await self.find(name)

    async def insert(
        self, connection: AsyncConnection, name: str, *, team: str, monthly_limit_nanousd: int | None = None, role: DeveloperRole
    ) -> DeveloperView | None:
        """Make a developer in the caller's transaction; None: the name is taken. Errors as for `create`."""
        name = canonical(name)
        check_account_name(name)
        if name.lower() == ADMIN_NAME:
            raise InvalidInput(f"name can't be {name!r}: histories and logs call the admin key so. Choose another name.", param="name")
        limit = self._default_limit if monthly_limit_nanousd is None else monthly_limit_nanousd
        if not 0 <= limit <= MAX_NANOUSD:
            raise InvalidInput("monthly_limit_usd must be 0 or more.", param="monthly_limit_usd")
        team_id = await find_team_id(connection, team)
        row = upsert(DeveloperRow).values(name=name, team_id=team_id, monthly_limit_nanousd=limit, role=role)
        returned = row.on_conflict_do_nothing().returning(DeveloperRow.id, DeveloperRow.created_at)
        made = (await connection.execute(returned)).one_or_none()
        return made and DeveloperView(made.id, name, team_id, team, limit, role, keys=0, created_at=made.created_at)

    async def change(
        self, name: str, *, role: DeveloperRole | None = None, disabled: bool | None = None, revision: str | None = None
    ) -> None:
        """Give a developer a role; refuse their keys and sign-ins (`disabled`) or no more. None: leave it. Keys obey from now on.

        NotFound for an unknown one, Conflict for a removed one, ChangedMeanwhile where they are not at `revision`.
        """
        values: dict[str, Any] = {} if role is None else {"role": role}
        if disabled is not None:
            values["disabled_at"] = func.coalesce(DeveloperRow.disabled_at, func.now()) if disabled else None
        async with self._database.begin() as connection:
            found = await lock_developer(connection, name)
            await _check_revision(connection, found.id, revision)
            if values:
                await connection.execute(update(DeveloperRow).where(DeveloperRow.id == found.id).values(values))
        self._changed(found.id)

    def role_changed(self, developer_id: UUID) -> None:
        """Forget everywhere what is cached of a developer whose role another transaction has changed, once that is committed."""
        self._changed(developer_id)

    async def remove(
        self, connection: AsyncConnection, name: str, *, erase_sessions: bool, revision: str | None = None
    ) -> RemovedDeveloper:
        """Remove a developer in the caller's transaction: keys and invitations are revoked, sign-ins end, the name is free.

        Memberships of projects stay: what they sent before may still wait to be read. Call `removed` once it is committed. Errors as for
        `change`.
        """
        found = await lock_developer(connection, name)
        await _check_revision(connection, found.id, revision)
        other = removed_name(name, found.id, clock.now())
        values = {"name": other, "former_name": found.name, "removed_at": func.now(), "disabled_at": func.now()}
        gone = update(DeveloperRow).where(DeveloperRow.id == found.id)
        await connection.execute(gone.values(values | {"erase_sessions": erase_sessions}))
        for table in (ApiKeyRow, InvitationRow):
            live = (table.developer_id == found.id) & table.revoked_at.is_(None)
            await connection.execute(update(table).where(live).values(revoked_at=func.now()))
        await _forget_sign_ins(connection, found.id)
        return RemovedDeveloper(found.id, found.team_id, other)

    def removed(self, developer: RemovedDeveloper) -> None:
        """Forget everywhere what is cached of a removed developer's keys."""
        self._changed(developer.id)

    async def to_erase(self) -> Collection[UUID]:
        """Return the removed developers whose sessions are erased, those that come late as well."""
        query = select(DeveloperRow.id).where(DeveloperRow.removed_at.is_not(None), DeveloperRow.erase_sessions)
        async with self._database.begin() as connection:
            return (await connection.scalars(query)).all()

    async def list_all(self, *, team_id: UUID | None = None, removed: bool = False) -> list[DeveloperView]:
        """List all developers, or a team's, by name; with `removed` those who were removed too."""
        query = _developers().where(*_conditions(DeveloperFilter(state="any" if removed else None), team_id)).order_by(DeveloperRow.name)
        return [DeveloperView(*row) for row in await self._database.read(rows_of(query))]

    async def list_page(
        self, wanted: PageWanted, among: DeveloperFilter | None = None, *, team_id: UUID | None = None
    ) -> EntryPage[DeveloperView]:
        """List a page of the developers, or of a team's."""
        query = paged(_developers().where(*_conditions(among or DeveloperFilter(), team_id)), DeveloperRow, wanted)
        return page_of([DeveloperView(*row) for row in await self._database.read(rows_of(query))], wanted)

    async def count(self, among: DeveloperFilter, *, team_id: UUID) -> int:
        """Count a team's developers on all pages of `list_page`."""
        query = select(func.count(DeveloperRow.id)).where(*_conditions(among, team_id))

        async def read(connection: AsyncConnection) -> int:
            return (await connection.execute(query)).scalar_one()

        return await self._database.read(read)

    async def find(self, name: str, *, team_id: UUID | None = None) -> DeveloperView:
        """Find a developer, with `team_id` only among that team's. NotFound for an unknown one."""
        query = _developers().where(DeveloperRow.name == askable(name))
        if team_id is not None:
            query = query.where(DeveloperRow.team_id == team_id)

        async def read(connection: AsyncConnection) -> DeveloperView:
            row = (await connection.execute(query)).one_or_none()
            if row is None:  # said within: whose key was made just now isn't at a replica yet, but at the primary
                raise no_developer(name)
            return DeveloperView(*row)

        return await self._database.read(read)


async def lock_developer(connection: AsyncConnection, name: str) -> AnyRow:
    """Lock a developer's row for the caller's transaction. NotFound for an unknown one, Conflict for one who was removed."""
    row = DeveloperRow
    columns = (row.id, row.name, row.team_id, row.role, row.disabled_at, row.removed_at)
    query = select(*columns).where(DeveloperRow.name == askable(name)).with_for_update(key_share=True)
    found = (await connection.execute(query)).one_or_none()
    if found is None:
        raise no_developer(name)
    if found.removed_at is not None:
        raise was_removed(name)
    return found


async def _check_revision(connection: AsyncConnection, developer_id: UUID, revision: str | None) -> None:
    """Raise ChangedMeanwhile unless the developer, whom the transaction has locked, is at this revision. None: no check."""
    if revision is not None:
        found = DeveloperView(*(await connection.execute(_developers().where(DeveloperRow.id == developer_id))).one())
        check_revision(revision, found.revision, f"The developer {found.name}")


def was_removed(name: str) -> Conflict:
    """Return the error for a change of a developer who was removed."""
    return Conflict(f"{name} was removed, which can't be undone. Add a new developer instead: `cairn developers add NAME`.")


def removed_name(name: str, developer_id: UUID, moment: datetime) -> str:
    """Return the name under which a removed developer's row stays: readable, and free of a later developer's by the id in it."""
    suffix = f" - removed {moment.astimezone(UTC):%Y-%m-%d} {developer_id.hex[:8]}"
    return name[: MAX_CHARS - len(suffix)].rstrip() + suffix


async def was_called(connection: AsyncConnection, name: str) -> bool:
    """Tell whether a developer who was removed had this name, in either case."""
    found = select(DeveloperRow.id).where(func.lower(DeveloperRow.former_name) == func.lower(askable(name))).limit(1)
    return await connection.scalar(found) is not None


async def _forget_sign_ins(connection: AsyncConnection, developer_id: UUID) -> None:
    """End the sign-ins of a developer who is removed, by keys and by OpenID, and the links that an admin has made for them.

    Their accounts at a provider stay, without an address, to refuse them by: they would come back as somebody new.
    """
    theirs = OpenIdAccountRow.developer_id == developer_id
    keys = select(ApiKeyRow.id).where(ApiKeyRow.developer_id == developer_id)
    accounts = select(OpenIdAccountRow.id).where(theirs)
    begun = or_(SignInRow.key_id.in_(keys), SignInRow.openid_account_id.in_(accounts))
    await connection.execute(delete(SignInRow).where(begun))
    await connection.execute(delete(OpenIdAccountRow).where(theirs, OpenIdAccountRow.subject.is_(None)))
    await connection.execute(update(OpenIdAccountRow).where(theirs).values(email=None))


def _conditions(wanted: DeveloperFilter, team_id: UUID | None) -> list[ColumnElement[bool]]:
    found = [] if team_id is None else [DeveloperRow.team_id == team_id]
    if wanted.name:
        found.append(DeveloperRow.name.icontains(askable(wanted.name), autoescape=True))
    if wanted.role is not None:
        found.append(DeveloperRow.role == wanted.role)
    removed, disabled = DeveloperRow.removed_at.is_not(None), DeveloperRow.disabled_at.is_not(None)
    match wanted.state:
        case None:
            found.append(~removed)
        case "active":
            found.append(~removed & ~disabled)
        case "disabled":
            found.append(~removed & disabled)
        case "removed":
            found.append(removed)
        case "any":
            pass
        case _:
            assert_never(wanted.state)
    return found


def _developers() -> Select[*tuple[Any, ...]]:
    """Select the columns of `DeveloperView`. What is told of keys is read for the rows of a page alone, however many there are."""
    theirs = ApiKeyRow.developer_id == DeveloperRow.id
    unexpired = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > func.now())
    active = select(func.count(ApiKeyRow.id)).where(theirs, ApiKeyRow.revoked_at.is_(None) & unexpired)
    columns = (
        DeveloperRow.id,
        DeveloperRow.name,
        DeveloperRow.team_id,
        TeamRow.name,
        DeveloperRow.monthly_limit_nanousd,
        DeveloperRow.role,
        active.correlate(DeveloperRow).scalar_subquery(),
        DeveloperRow.created_at,
        DeveloperRow.disabled_at,
        DeveloperRow.removed_at,
        select(func.max(ApiKeyRow.last_used_at)).where(theirs).correlate(DeveloperRow).scalar_subquery(),
    )
    return select(*columns).join(TeamRow, TeamRow.id == DeveloperRow.team_id)
