"""Developers' keys: made, named, listed, revoked; when each was used last. Knows no requester; how a key looks: `keys.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.developers import Changed, lock_developer
from app.accounts.expiry import parse_expiry
from app.accounts.finding import askable
from app.accounts.keys import make_key, public_id_of
from app.accounts.names import canonical, check_account_name
from app.accounts.tables import ApiKeyRow, DeveloperRow
from app.accounts.views import CreatedKey, KeyView
from app.errors import Conflict, NotFound
from app.idempotency.keys import is_first_effect
from app.storage.database import Database
from app.storage.pages import EntryPage, PageWanted, page_of, paged

PREFIX = "cairn_"
KeyLimit = Callable[[AsyncConnection, UUID], Awaitable[None]]
"""Sets the limit of a new key, in the transaction that makes it: the ledger's (`KeyLimits.set_initial`)."""
Before = Callable[[AsyncConnection], Awaitable[None]]
"""Looks at what is to be changed, in the transaction that changes it; raises where it mustn't be."""
MIN_PREFIX_CHARS: Final = 4
"""Characters of a key's public part by which it may be meant: fewer are a slip."""
WRITTEN_USES: Final = 5_000
"""Keys whose last use one statement writes."""


class ApiKeys:
    """Stores developers' keys. `changed`: invalidates what is cached of a key."""

    def __init__(self, database: Database, *, secret_key: str, changed: Changed) -> None:
        self._database = database
        self._secret_key = secret_key
        self._changed = changed
        self._used: set[UUID] = set()

    async def create(
        self,
        developer: str,
        *,
        name: str | None = None,
        expires: str | None = None,
        models: Sequence[str] | None = None,
        limit: KeyLimit | None = None,
    ) -> CreatedKey:
        """Make a key, the only time that it can be seen. Without a `name` it is called after the day. `expires`: see `parse_expiry`.

        `models`: all that it may ask for; `limit` sets its limit, in the same transaction.

        InvalidInput for a bad name or expiry; NotFound for an unknown developer; Conflict for a disabled or removed one, and for a name
        that an active key of theirs has.
        """
        expires_at = None if expires is None else parse_expiry(expires)
        async with self._database.begin() as connection:
            found = await lock_developer(connection, developer)
            if found.disabled_at is not None:
                raise Conflict(
                    f"{developer} is disabled, so a new key would be refused. Enable them first: cairn developers enable {developer}"
                )
            key_id = uuid4()
            if not await is_first_effect(connection, made=str(key_id)):
                raise Conflict(
                    "This request has already created a key. To create another, send a new idempotency-key.", param="idempotency-key"
                )
            made = await self.insert(connection, found.id, name=name, expires_at=expires_at, key_id=key_id, models=models)
            if limit is not None:
                await limit(connection, made.id)
            return made

    async def insert(
        self,
        connection: AsyncConnection,
        developer_id: UUID,
        *,
        name: str | None = None,
        expires_at: datetime | None = None,
        key_id: UUID | None = None,
        models: Sequence[str] | None = None,
        param: str = "name",
    ) -> CreatedKey:
        """Make a key in the caller's transaction, which has locked the developer: else two could get the same name. Errors name `param`."""
        if name is not None:
            name = canonical(name)
            check_account_name(name, param=param)
        taken = set(await connection.scalars(select(ApiKeyRow.name).where(ApiKeyRow.developer_id == developer_id, _active())))
        if name in taken:
            raise Conflict(f"There is already an active key named {name!r}: choose another name, or revoke that one first.", param=param)
        made, name = make_key(self._secret_key), name or _free_name(taken)
        allowed = None if models is None else list(models)
        values = {
            "id": key_id or uuid4(),
            "developer_id": developer_id,
            "lookup": made.public_id,
            "digest": made.digest,
            "name": name,
            "models": allowed,
            "expires_at": expires_at,
        }
        key_id = (await connection.execute(insert(ApiKeyRow).values(values).returning(ApiKeyRow.id))).scalar_one()
        return CreatedKey(key_id, made.key, made.public_id, name, expires_at, allowed)

    async def list_page(
        self, wanted: PageWanted, *, developer_id: UUID | None = None, which: str | None = None, ended: bool = False
    ) -> EntryPage[KeyView]:
        """List a page of the keys. `ended`: those too that were revoked or have expired.

        `which`: only the one that is called so, has this id or public part, or several whose public part begins so.
        """
        which = None if which is None else askable(which.strip())
        query = paged(_views(), ApiKeyRow, wanted)
        if developer_id is not None:
            query = query.where(ApiKeyRow.developer_id == developer_id)
        if not ended:
            query = query.where(_active())
        if which is not None:
            query = query.where(_meant(which))
        async with self._database.begin() as connection:
            page = page_of([KeyView(*row) for row in await connection.execute(query)], wanted)
        exact = [] if which is None else [each for each in page.entries if which in {each.name, str(each.id), each.lookup}]
        return EntryPage(exact, page.next) if exact else page

    async def find(self, key_id: UUID, *, developer_id: UUID | None = None, connection: AsyncConnection | None = None) -> KeyView:
        """Return a key, also one that has ended; with `developer_id` only one of theirs. NotFound for an unknown one."""
        query = _views().where(ApiKeyRow.id == key_id)
        if developer_id is not None:
            query = query.where(ApiKeyRow.developer_id == developer_id)
        async with self._database.begin() if connection is None else nullcontext(connection) as reading:
            row = (await reading.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no key {key_id}. List them: GET /v1/keys or `cairn keys list`.")
        return KeyView(*row)

    @asynccontextmanager
    async def one_change(self, key_id: UUID) -> AsyncIterator[AsyncConnection]:
        """Open the transaction of one change of a key, its limit in the ledger too. Others who change it wait until it ends.

        All that is looked at and changed goes over its connection: whoever took a second one would wait, with all of the pool's in use,
        for others who wait as well.
        """
        async with self._database.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"key {key_id}", 0))))
            yield connection
        self._changed(key_id)

    async def set_models(self, connection: AsyncConnection, key_id: UUID, models: Sequence[str] | None) -> None:
        """Set, within `one_change`, the models that an unrevoked key may ask for; None: every one. NotFound for any other."""
        unrevoked = (ApiKeyRow.id == key_id) & ApiKeyRow.revoked_at.is_(None)
        stored = None if models is None else list(models)
        changed = await connection.execute(update(ApiKeyRow).where(unrevoked).values(models=stored))
        if changed.rowcount == 0:
            raise NotFound(f"There is no active key {key_id}: it may have been revoked before.")

    async def revoke(self, key_id: UUID, *, developer_id: UUID | None = None, before: Before | None = None) -> None:
        """Revoke a key, with `developer_id` only one of theirs. NotFound for an unknown one, or one that was revoked before.

        `before`: called first, in the same transaction.
        """
        unrevoked = (ApiKeyRow.id == key_id) & ApiKeyRow.revoked_at.is_(None)
        if developer_id is not None:
            unrevoked &= ApiKeyRow.developer_id == developer_id
        async with self.one_change(key_id) as connection:
            if before is not None:
                await before(connection)
            revoked = await connection.execute(update(ApiKeyRow).where(unrevoked).values(revoked_at=func.now()))
            if revoked.rowcount == 0:
                raise NotFound(f"There is no active key {key_id}: it may have been revoked already.")

    def record_use(self, key_id: UUID) -> None:
        """Remember that a key was used, for `write_uses`: a request writes nothing."""
        self._used.add(key_id)

    async def write_uses(self) -> int:
        """Store that the keys used since the last call were used now; returns how many. What can't be written is kept for the next call."""
        used, self._used = self._used, set()
        written = 0
        try:
            while used:
                ids = sorted(used)[:WRITTEN_USES]
                # A key that another server writes at this moment needs no second writer.
                rows = select(ApiKeyRow.id).where(ApiKeyRow.id.in_(ids)).with_for_update(key_share=True, skip_locked=True)
                async with self._database.begin() as connection:
                    await connection.execute(update(ApiKeyRow).where(ApiKeyRow.id.in_(rows)).values(last_used_at=func.now()))
                used.difference_update(ids)
                written += len(ids)
        finally:
            self._used |= used
        return written


def _active() -> ColumnElement[bool]:
    return ApiKeyRow.revoked_at.is_(None) & or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > func.now())


def _meant(which: str) -> ColumnElement[bool]:
    """Match a key's id, name or public part, the latter also by its beginning; of a whole key its public part."""
    public = public_id_of(which) or which.removeprefix(PREFIX).split("_")[0]
    found = [ApiKeyRow.name == which, ApiKeyRow.lookup == public]
    if len(public) >= MIN_PREFIX_CHARS:
        found.append(ApiKeyRow.lookup.startswith(public, autoescape=True))
    with suppress(ValueError):
        found.append(ApiKeyRow.id == UUID(which))
    return or_(*found)


def _free_name(taken: set[str]) -> str:
    """Name a key after today, with a number from the second one on."""
    day = f"{clock.now():%Y-%m-%d}"
    number = 1
    while (name := day if number == 1 else f"{day}-{number}") in taken:
        number += 1
    return name


def _views() -> Select[*tuple[Any, ...]]:
    return select(
        ApiKeyRow.id,
        ApiKeyRow.lookup,
        ApiKeyRow.name,
        DeveloperRow.name,
        ApiKeyRow.created_at,
        ApiKeyRow.expires_at,
        ApiKeyRow.last_used_at,
        ApiKeyRow.revoked_at,
        ApiKeyRow.models,
    ).join(DeveloperRow, DeveloperRow.id == ApiKeyRow.developer_id)
