"""Derives an item from its evidence: the best wording wins, the count grows, all evidence is kept.

An item that a person wrote (recorded or corrected) keeps its words; evidence only confirms it.

Called inside the transaction that changed the evidence (a merge, a withdrawal, a purge); the caller calls `changes.record_changes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import now
from app.knowledge.confirming import original_of
from app.knowledge.marks import forget_older_marks
from app.knowledge.near_copies import is_near_copy
from app.knowledge.subject_rows import VERSION as SUBJECTS_VERSION
from app.knowledge.tables import EvidenceRow, ItemRow
from app.likeness import differs
from app.storage.tables import AnyRow

CORROBORATION = 0.05
"""Added to the confidence for each further session with the same evidence, up to CERTAIN."""
CERTAIN = 0.99
_ITEM = (
    ItemRow.id, ItemRow.team_id, ItemRow.project_id, ItemRow.origin, ItemRow.corrected_at, ItemRow.created_at, ItemRow.text, ItemRow.hidden,
)  # fmt: skip


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
    rows = await connection.execute(select(*_ITEM).where(ItemRow.id.in_(ids)).order_by(ItemRow.id).with_for_update())
    known = {row.id: row for row in rows}
    evidence = await connection.execute(select(EvidenceRow.__table__).where(EvidenceRow.knowledge_id.in_(ids)))
    by_item: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in evidence:
        by_item[row.knowledge_id].append(row)
    recorded = {item for item, row in known.items() if row.origin == "recorded"}
    written = recorded | {item for item, row in known.items() if row.corrected_at is not None}
    for item in [item for item in by_item if item not in written and not known[item].hidden]:  # a part of a hidden one would be shown
        by_item |= await _set_apart(connection, known[item], by_item[item])
    elected = [_elected_columns(item, evidence) for item, evidence in sorted(by_item.items()) if item not in written]
    confirmed = [_confirmed_columns(known[item], by_item[item]) for item in sorted(written) if item in by_item or item in recorded]
    for views in filter(None, (elected, confirmed)):
        await connection.execute(update(ItemRow).where(ItemRow.id == bindparam("item")), views)
    if orphans := [item for item in ids if item not in by_item and item not in recorded]:
        await connection.execute(delete(ItemRow).where(ItemRow.id.in_(orphans)))
    await forget_older_marks(connection, by_item.keys())
    return Rederived(sorted({*ids, *by_item}), kept=len(ids) - len(orphans), removed=len(orphans))


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
    best = _best_of(rows)
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


def _best_of(rows: Sequence[AnyRow]) -> AnyRow:
    """Elect the wording. The rules' own words first, which are the session's: distillation adds items, and rewords none. None that says
    less than another one.

    Each text is compared once, and none behind the elected one: a thousand sessions may say the same.
    """
    in_order = sorted(rows, key=lambda row: (not row.distilled, row.confidence, len(row.text), row.candidate_key), reverse=True)
    texts = dict.fromkeys(row.text for row in in_order if not row.distilled)
    firsts = {row.text: row for row in reversed(in_order)}
    richest = (text for text in texts if not any(is_near_copy(text, each) for each in texts if each != text))
    return firsts[next(richest)] if texts else in_order[0]


async def _set_apart(connection: AsyncConnection, item: AnyRow, rows: Sequence[AnyRow]) -> dict[UUID, list[AnyRow]]:
    """Give what was part of words that are gone, and isn't part of the best of the rest, items of its own. Returns the evidence of each."""
    parts: dict[UUID, list[AnyRow]] = {}
    left = list(rows)
    texts = {row.text for row in rows}
    if item.text in texts or not any(is_near_copy(each, item.text) for each in texts):
        return {item.id: left}
    while left:
        best = _best_of(left)
        apart = {text for text in {row.text for row in left} if is_near_copy(text, item.text) and not _is_part(text, best.text)}
        owner = uuid4() if parts else item.id
        parts[owner] = [row for row in left if row.text not in apart]
        left = [row for row in left if row.text in apart]
    for owner, of_owner in parts.items():
        if owner != item.id:
            await _store_part(connection, owner, item, of_owner)
    return parts


def _is_part(text: str, best: str) -> bool:
    return text == best or not differs(best, text) or is_near_copy(text, best)


async def _store_part(connection: AsyncConnection, owner: UUID, item: AnyRow, rows: Sequence[AnyRow]) -> None:
    place = {"id": owner, "team_id": item.team_id, "project_id": item.project_id, "developer_id": _best_of(rows).developer_id}
    place["subjects_version"] = SUBJECTS_VERSION
    columns = {name: value for name, value in _elected_columns(owner, rows).items() if name != "item"}
    await connection.execute(insert(ItemRow).values(**place, **columns))
    await connection.execute(update(EvidenceRow).where(EvidenceRow.id.in_([row.id for row in rows])).values(knowledge_id=owner))


def _originals(rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
    """Return the evidence without copies. A model's wording of a session confirms nothing that rules found in the same session."""
    by_rules = {row.session_id for row in rows if not row.distilled}
    return list({original_of(row): row for row in rows if not row.distilled or row.session_id not in by_rules}.values())
