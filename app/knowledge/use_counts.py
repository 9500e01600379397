"""Counts the sessions that used an item or a passage. Read where it is shown or ranked, so that a purge withdraws a use by deleting it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.passage_tables import PassagePlaceRow
from app.knowledge.tables import EvidenceRow, ItemRow, UseRow


class UseCounts(NamedTuple):
    """Numbers of sessions that were served it and did what it says: the person went on with that, or took it back."""

    used: int = 0
    refused: int = 0


def counting() -> ColumnElement[bool]:
    """Return the condition on which a use of an item counts: of its present words, and never from a session that it was learnt from."""
    own = exists().where(EvidenceRow.knowledge_id == UseRow.knowledge_id, EvidenceRow.session_id == UseRow.session_id)
    return and_(UseRow.knowledge_id == ItemRow.id, or_(ItemRow.corrected_at.is_(None), UseRow.at > ItemRow.corrected_at), ~own)


def counts_of_items() -> Select[int, int]:
    """Select (used, refused) of an enclosing query's item."""
    return select(*_COUNTED).where(counting()).correlate(ItemRow)


async def count_item_uses(connection: AsyncConnection, item_id: UUID) -> UseCounts:
    """Return how many sessions used an item."""
    query = select(*_COUNTED).join(ItemRow, counting()).where(ItemRow.id == item_id)
    return UseCounts(*(await connection.execute(query)).one())


async def count_passage_uses(connection: AsyncConnection, passage_id: UUID) -> UseCounts:
    """Return how many sessions used a passage that none of them said itself."""
    own = exists().where(PassagePlaceRow.passage_id == UseRow.knowledge_id, PassagePlaceRow.session_id == UseRow.session_id)
    query = select(*_COUNTED).where(UseRow.knowledge_id == passage_id, ~own)
    return UseCounts(*(await connection.execute(query)).one())


_COUNTED = (func.count().filter(UseRow.accepted).label("used"), func.count().filter(~UseRow.accepted).label("refused"))
