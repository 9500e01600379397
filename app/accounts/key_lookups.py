"""Reads keys with their owners, in one query for all that are looked up at once: a busy key expires for hundreds of requests together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.accounts.membership import closed_to_developer
from app.accounts.requester import Requester
from app.accounts.tables import ApiKeyRow, DeveloperRow, TeamRow
from app.storage.database import Database
from app.storage.grouped import GroupCommit
from app.storage.tables import AnyRow

MAX_KEYS = 500
"""Keys that one query looks up."""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """A key's digest, and the requester behind it. `disabled`: the developer is."""

    digest: bytes
    expires_at: datetime | None
    disabled: bool
    requester: Requester


class KeyLookups:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches: GroupCommit[str, KeyOwner | None] = GroupCommit(self._read, max_weight=MAX_KEYS, name="key lookups")

    async def find(self, public_id: str) -> KeyOwner | None:
        """Return a key's owner as it is now; None if there is no such key, or it was revoked."""
        return await self._batches.submit(public_id)

    async def find_by_id(self, key_id: UUID) -> KeyOwner | None:
        """Return the owner of the key with this id, as `find`."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_OWNERS.where(ApiKeyRow.id == key_id))).one_or_none()
        return None if row is None else _owner(row)

    async def find_developer(self, developer_id: UUID) -> tuple[Requester, bool] | None:
        """Return (a developer as they are now, whether they are disabled), without a key; None if there is none, or they were removed."""
        present = (DeveloperRow.id == developer_id, DeveloperRow.removed_at.is_(None))
        async with self._database.begin() as connection:
            row = (await connection.execute(_DEVELOPERS.where(*present))).one_or_none()
        if row is None:
            return None
        disabled, team_id, team, found_id, developer, role, closed = row
        return Requester(team_id, team, found_id, developer, None, role, closed=frozenset(closed)), disabled

    async def _read(self, public_ids: Sequence[str]) -> list[KeyOwner | None]:
        async with self._database.begin() as connection:
            rows = await connection.execute(_OWNERS.where(ApiKeyRow.lookup.in_(set(public_ids))))
            found = {row[0]: _owner(row) for row in rows}
        return [found.get(each) for each in public_ids]


_OWNERS = (
    select(
        ApiKeyRow.lookup,
        ApiKeyRow.digest,
        ApiKeyRow.expires_at,
        DeveloperRow.disabled_at.is_not(None),
        TeamRow.id,
        TeamRow.name,
        DeveloperRow.id,
        DeveloperRow.name,
        ApiKeyRow.id,
        DeveloperRow.role,
        closed_to_developer().label("closed"),
        ApiKeyRow.models,
    )
    .join(DeveloperRow, DeveloperRow.id == ApiKeyRow.developer_id)
    .join(TeamRow, TeamRow.id == DeveloperRow.team_id)
    .where(ApiKeyRow.revoked_at.is_(None))
)


_DEVELOPERS = select(
    DeveloperRow.disabled_at.is_not(None),
    TeamRow.id,
    TeamRow.name,
    DeveloperRow.id,
    DeveloperRow.name,
    DeveloperRow.role,
    closed_to_developer().label("closed"),
).join(TeamRow, TeamRow.id == DeveloperRow.team_id)


def _owner(row: AnyRow) -> KeyOwner:
    return KeyOwner(row[1], row[2], row[3], _requester(row))


def _requester(row: AnyRow) -> Requester:
    team_id, team, developer_id, developer, key_id, role, closed, models = row[4:]
    return Requester(team_id, team, developer_id, developer, key_id, role, closed=frozenset(closed), models=models_of(models))


def models_of(stored: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return a key's stored list of models as a requester carries it."""
    return None if stored is None else tuple(stored)
