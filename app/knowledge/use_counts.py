"""Counts the sessions that used an item or a passage. Read where it is shown or ranked, so that a purge withdraws a use by deleting it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, any_, case, exists, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.knowledge.passage_tables import PassagePlaceRow
from app.knowledge.supersession_rows import MERGES
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


def accepted_uses() -> ColumnElement[int]:
    """Count the sessions that used an enclosing query's item, or one that was merged into it, and whose people accepted that."""
    merged = select(func.array_agg(MERGES.c.merged)).where(MERGES.c.kept == ItemRow.id).correlate(ItemRow).scalar_subquery()
    items = func.array_append(merged, ItemRow.id, type_=ARRAY(Uuid))
    joined = _used_any(items, func.count(UseRow.session_id.distinct())).where(UseRow.accepted)
    own = select(func.count()).select_from(UseRow).where(counting(), UseRow.accepted).correlate(ItemRow)
    is_kept = ItemRow.id.in_(select(MERGES.c.kept))  # hashed once: only the kept ones, which are few, look for theirs
    return case((is_kept, joined.scalar_subquery()), else_=own.scalar_subquery())


async def count_item_uses(connection: AsyncConnection, items: Collection[UUID]) -> UseCounts:
    """Return how many sessions used any of these items: one, with those that were merged into it."""
    sessions = func.count(UseRow.session_id.distinct())
    counted = (sessions.filter(UseRow.accepted), sessions.filter(~UseRow.accepted))
    query = _used_any(literal(list(items), ARRAY(Uuid)), *counted)
    return UseCounts(*(await connection.execute(query)).one())


def _used_any(items: ColumnElement[Any], *counted: ColumnElement[int]) -> Select[*tuple[int, ...]]:
    """Select counts of the uses of an array of items that were merged: as `counting`, each of its item's words, none of their sessions'."""
    used = aliased(ItemRow)
    taught = (EvidenceRow.knowledge_id == any_(items), EvidenceRow.session_id == UseRow.session_id)
    own = exists(select(EvidenceRow.id).where(*taught).correlate_except(EvidenceRow))
    of_its_words = or_(used.corrected_at.is_(None), UseRow.at > used.corrected_at)
    return (
        select(*counted)
        .select_from(UseRow)
        .join(used, used.id == UseRow.knowledge_id)
        .where(UseRow.knowledge_id == any_(items), of_its_words, ~own)
        .correlate(ItemRow)
    )


async def count_passage_uses(connection: AsyncConnection, passage_id: UUID) -> UseCounts:
    """Return how many sessions used a passage that none of them said itself."""
    own = exists().where(PassagePlaceRow.passage_id == UseRow.knowledge_id, PassagePlaceRow.session_id == UseRow.session_id)
    query = select(*_COUNTED).where(UseRow.knowledge_id == passage_id, ~own)
    return UseCounts(*(await connection.execute(query)).one())


_COUNTED = (func.count().filter(UseRow.accepted).label("used"), func.count().filter(~UseRow.accepted).label("refused"))
