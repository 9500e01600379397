"""Reads keys with their owners, in one query for all that are looked up at once: a busy key expires for hundreds of requests together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.accounts.requester import Requester
from app.accounts.tables import ApiKeyRow, DeveloperRow, TeamRow
from app.storage.database import Database
from app.storage.grouped import GroupCommit

MAX_KEYS = 500
"""Keys that one query looks up."""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """A key's digest, and the requester behind it."""

    digest: bytes
    requester: Requester


class KeyLookups:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches: GroupCommit[str, KeyOwner | None] = GroupCommit(self._read, max_weight=MAX_KEYS, name="key lookups")

    async def find(self, public_id: str) -> KeyOwner | None:
        """Return a key's owner as it is now; None if there is no such key, or it was revoked."""
        return await self._batches.submit(public_id)

    async def _read(self, public_ids: Sequence[str]) -> list[KeyOwner | None]:
        query = (
            select(
                ApiKeyRow.lookup,
                ApiKeyRow.digest,
                TeamRow.id,
                TeamRow.name,
                DeveloperRow.id,
                DeveloperRow.name,
                ApiKeyRow.id,
                DeveloperRow.role,
            )
            .join(DeveloperRow, DeveloperRow.id == ApiKeyRow.developer_id)
            .join(TeamRow, TeamRow.id == DeveloperRow.team_id)
            .where(ApiKeyRow.lookup.in_(set(public_ids)), ApiKeyRow.revoked_at.is_(None))
        )
        async with self._database.begin() as connection:
            found = {row[0]: KeyOwner(row[1], Requester(*row[2:])) for row in await connection.execute(query)}
        return [found.get(each) for each in public_ids]
