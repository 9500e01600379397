"""Finds the item of the same day that a new candidate says less of, or that says less than it: near-copies of one matter are one item.

What people touched stays as it is: recorded, corrected, judged, retired, used, linked or decided items take no near-copies. The caller
holds the project's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.decisions import is_decided
from app.knowledge.near_copies import MIN_EXPLAINED, is_near_copy
from app.knowledge.neighbours import Neighbourhood
from app.knowledge.tables import EvidenceRow, ItemRow, RevisionRow, UseRow
from app.storage.vectors.store import Vector


@dataclass(frozen=True, slots=True)
class NearCopies:
    """The item that a candidate becomes evidence of. `absorbed`: others that the candidate says all of, which become part of that item."""

    item: UUID
    absorbed: tuple[UUID, ...] = ()


async def near_copies_of(
    connection: AsyncConnection,
    neighbourhood: Neighbourhood,
    text: str,
    vector: Vector,
    *,
    at: datetime | None,
    created: Mapping[UUID, datetime],
) -> NearCopies | None:
    """Return the nearest item that says all of a text and more; else those that say less than it; None if there are none.

    `at`: when it was said. `created`: the items of this transaction that aren't stored yet, and when each was said.
    """
    if at is None:
        return None
    richer: dict[UUID, None] = {}
    poorer: dict[UUID, None] = {}
    for item, wording in neighbourhood.like(vector, MIN_EXPLAINED):
        await asyncio.sleep(0)  # comparing is slow CPU work: let the job's heartbeat run
        known = wording.partition("\n")[2]
        if is_near_copy(text, known):
            richer[item] = None
        elif is_near_copy(known, text):
            poorer[item] = None
    if not richer and not poorer:
        return None
    untouched = await _of_the_day(connection, [*richer, *poorer], _day(at), created)
    if found := next((item for item in richer if item in untouched), None):
        return NearCopies(found)
    less = [item for item in poorer if item in untouched and item not in richer]
    return NearCopies(less[0], tuple(less[1:])) if less else None


async def absorb(connection: AsyncConnection, items: Collection[UUID], into: UUID) -> None:
    """Make all evidence of some items that of another one; the caller derives them all anew, which deletes those without any."""
    if items:
        await connection.execute(update(EvidenceRow).where(EvidenceRow.knowledge_id.in_(items)).values(knowledge_id=into))


async def _of_the_day(connection: AsyncConnection, items: Collection[UUID], day: date, created: Mapping[UUID, datetime]) -> set[UUID]:
    reviewed = exists(select(RevisionRow.id).where(RevisionRow.knowledge_id == ItemRow.id))
    used = exists(select(UseRow.knowledge_id).where(UseRow.knowledge_id == ItemRow.id))
    untouched = (ItemRow.origin == "extracted", ItemRow.corrected_at.is_(None), ~ItemRow.hidden, ~is_decided(ItemRow.id), ~reviewed, ~used)
    unjudged = (ItemRow.helpful == 0, ItemRow.wrong == 0, ItemRow.stale == 0)
    columns = select(ItemRow.id, ItemRow.created_at, ItemRow.last_seen_at)
    rows = await connection.execute(columns.where(ItemRow.id.in_(items), *untouched, *unjudged))
    stored = {row.id for row in rows if day in (_day(row.created_at), _day(row.last_seen_at))}
    return stored | {item for item, at in created.items() if item in items and _day(at) == day}


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
