"""Classifies items by the time since they were last learnt. Reads no columns of a row but `last_seen_at` and `freshness`."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.item import Freshness
from app.knowledge.tables import ItemRow

FRESH, AGING, STALE = timedelta(days=30), timedelta(days=90), timedelta(days=180)

WEIGHT: dict[Freshness, float] = {"fresh": 1.0, "aging": 0.98, "stale": 0.95, "deprecated": 0.9}
"""Factor of a score by age: small, so that it decides between near equals and hides only what is barely relevant."""


def freshness(last_seen_at: datetime, now: datetime) -> Freshness:
    """Return fresh (< 30 days), aging (< 90), stale (< 180) or deprecated."""
    age = now - last_seen_at
    if age < FRESH:
        return "fresh"
    if age < AGING:
        return "aging"
    return "stale" if age < STALE else "deprecated"


async def refresh(connection: AsyncConnection, now: datetime, *, batch: int = 1000) -> int:
    """Update up to `batch` items whose freshness is out of date, and record the changes. Returns the number of items updated."""
    label = case(
        (ItemRow.last_seen_at > now - FRESH, literal("fresh")),
        (ItemRow.last_seen_at > now - AGING, literal("aging")),
        (ItemRow.last_seen_at > now - STALE, literal("stale")),
        else_=literal("deprecated"),
    )
    aged = select(ItemRow.id).where(ItemRow.freshness != label).order_by(ItemRow.id).limit(batch).with_for_update(skip_locked=True)
    relabelled = update(ItemRow).where(ItemRow.id.in_(aged)).values(freshness=label, updated_at=func.now())
    moved = await connection.execute(relabelled.returning(ItemRow.id, ItemRow.project_id, ItemRow.team_id))
    changed = [ChangedPoint(*row) for row in moved]
    await record_changes(connection, changed)
    return len(changed)
