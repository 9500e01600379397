"""Derives an item from its evidence: the best wording wins, the count grows, all evidence is kept.

An item that a person wrote (recorded or corrected) keeps its words; evidence only confirms it.

Called inside the transaction that changed the evidence (a merge, a withdrawal, a purge); the caller calls `changes.record_changes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import now
from app.knowledge.confirming import original_of
from app.knowledge.marks import forget_older_marks
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.tables import AnyRow

CORROBORATION = 0.05
"""Added to the confidence for each further session with the same evidence, up to CERTAIN."""
CERTAIN = 0.99


@dataclass(frozen=True, slots=True)
class Rederived:
    """Result of deriving items again. `items`: all items concerned, including those removed."""

    items: Sequence[UUID]
    kept: int
    removed: int


async def rederive(connection: AsyncConnection, items: Iterable[UUID]) -> Rederived:
    """Recompute items from their evidence, and delete those without any."""
    ids = sorted(set(items))
    if not ids:
        return Rederived((), 0, 0)
    # Locked in one order by every transaction, so that two with the same items can't deadlock.
    columns = (ItemRow.id, ItemRow.origin, ItemRow.corrected_at, ItemRow.created_at)
    rows = await connection.execute(select(*columns).where(ItemRow.id.in_(ids)).order_by(ItemRow.id).with_for_update())
    known = {row.id: row for row in rows}
    evidence = await connection.execute(select(EvidenceRow.__table__).where(EvidenceRow.knowledge_id.in_(ids)))
    by_item: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in evidence:
        by_item[row.knowledge_id].append(row)
    recorded = {item for item, row in known.items() if row.origin == "recorded"}
    written = recorded | {item for item, row in known.items() if row.corrected_at is not None}
    elected = [_elected_columns(item, evidence) for item, evidence in sorted(by_item.items()) if item not in written]
    confirmed = [_confirmed_columns(known[item], by_item[item]) for item in sorted(written) if item in by_item or item in recorded]
    for views in filter(None, (elected, confirmed)):
        await connection.execute(update(ItemRow).where(ItemRow.id == bindparam("item")), views)
    if orphans := [item for item in ids if item not in by_item and item not in recorded]:
        await connection.execute(delete(ItemRow).where(ItemRow.id.in_(orphans)))
    await forget_older_marks(connection, by_item.keys())
    return Rederived(ids, kept=len(ids) - len(orphans), removed=len(orphans))


def _confirmed_columns(item: AnyRow, rows: Sequence[AnyRow]) -> dict[str, object]:
    """Return the columns that evidence changes in an item with a person's words. Recording it counts as one piece of evidence."""
    moment, recorded = now(), item.origin == "recorded"
    by_people = [at for at in (item.corrected_at, item.created_at if recorded else None) if at is not None]
    last: datetime = min(max([*by_people, *(row.at or row.created_at for row in rows)]), moment)
    return {
        "item": item.id,
        "evidence_count": len(_originals(rows)) + recorded,
        "last_seen_at": last,
        "updated_at": moment,
    }


def _elected_columns(item: UUID, rows: Sequence[AnyRow]) -> dict[str, object]:
    # The rules' own words first, which are the session's: distillation adds items, and rewords none.
    best = max(rows, key=lambda row: (not row.distilled, row.confidence, len(row.text), row.candidate_key))
    moment = now()
    seen = [row.at or row.created_at for row in rows]
    last: datetime = min(max(seen), moment)
    originals = _originals(rows)
    sessions = len({row.session_id for row in originals})
    return {
        "item": item,
        "type": best.type,
        "intent": best.intent,
        "title": best.title,
        "text": best.text,
        "confidence": min(CERTAIN, best.confidence + CORROBORATION * (sessions - 1)),
        "evidence_count": len(originals),
        "embedding": best.embedding,
        "embedding_model": best.embedding_model,
        "long_embedding": best.long_embedding,
        "long_embedding_model": best.long_embedding_model,
        "created_at": min(*seen, moment),
        "last_seen_at": last,
        "updated_at": moment,
    }


def _originals(rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
    """Return the evidence without copies. A model's wording of a session confirms nothing that rules found in the same session."""
    by_rules = {row.session_id for row in rows if not row.distilled}
    return list({original_of(row): row for row in rows if not row.distilled or row.session_id not in by_rules}.values())
