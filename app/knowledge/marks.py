"""The marks of items by the code that they speak of, and the one verdict beside each item, which search reads. See `app.freshness`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import fields
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.freshness.verdicts import CodeFinding, CodeVerdict, combine
from app.knowledge.item import CodeMark
from app.knowledge.tables import CodeMarkRow, ItemRow
from app.storage.tables import AnyRow


def mark_of(row: AnyRow) -> CodeMark:
    """Return the mark that a row of the table holds."""
    return CodeMark(**{each.name: getattr(row, each.name) for each in fields(CodeMark)})


async def set_code_verdicts(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Derive these items' verdicts from their marks of all repositories. The caller has locked the items' project."""
    found: dict[UUID, list[CodeFinding]] = defaultdict(list)
    marks = select(CodeMarkRow.knowledge_id, CodeMarkRow.verdict).where(CodeMarkRow.knowledge_id.in_(items))
    for item, verdict in await connection.execute(marks):
        found[item].append(CodeFinding(cast("CodeVerdict", verdict)))  # the table's constraint
    verdicts: dict[UUID, CodeVerdict | None] = {item: combine(found[item]).verdict if item in found else None for item in items}
    if verdicts:
        change = update(ItemRow).where(ItemRow.id == bindparam("item")).values(code_verdict=bindparam("verdict"))
        await connection.execute(change, [{"item": item, "verdict": verdict} for item, verdict in sorted(verdicts.items())])


async def forget_marks(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Delete the marks of items whose words changed: they were of what the items said before."""
    await _forget(connection, items, CodeMarkRow.knowledge_id.in_(items))


async def forget_older_marks(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Delete the marks that are older than what was said last: what has been learnt again since speaks of newer code."""
    older = CodeMarkRow.checked_at < select(ItemRow.last_seen_at).where(ItemRow.id == CodeMarkRow.knowledge_id).scalar_subquery()
    await _forget(connection, items, CodeMarkRow.knowledge_id.in_(items) & older)


async def _forget(connection: AsyncConnection, items: Collection[UUID], which: ColumnElement[bool]) -> None:
    if items and (forgotten := set(await connection.scalars(delete(CodeMarkRow).where(which).returning(CodeMarkRow.knowledge_id)))):
        await set_code_verdicts(connection, forgotten)
