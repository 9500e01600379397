"""The marks of items by the code that they speak of, and the one verdict beside each item, which search reads. See `app.freshness`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import fields
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.freshness.verdicts import CodeFinding, CodeVerdict, combine
from app.knowledge.item import CodeMark
from app.knowledge.tables import CodeMarkRow, ItemRow
from app.storage.tables import AnyRow

MAX_REPOSITORIES = 8
"""Repositories that have a mark of one item: those that were checked last."""
EXPIRY = timedelta(days=90)
"""A mark that no check has confirmed for so long is removed: its repository may be gone."""
EXPIRED_BATCH = 1_000
"""Expired marks that one transaction removes."""


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


async def forget_oldest_marks(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Delete the marks of items beyond MAX_REPOSITORIES. The caller derives the verdicts."""
    place = func.row_number().over(partition_by=CodeMarkRow.knowledge_id, order_by=(CodeMarkRow.checked_at.desc(), CodeMarkRow.repository))
    placed = select(*_KEY, place.label("place")).where(CodeMarkRow.knowledge_id.in_(items)).subquery()
    beyond = select(placed.c.knowledge_id, placed.c.repository).where(placed.c.place > MAX_REPOSITORIES)
    await connection.execute(delete(CodeMarkRow).where(tuple_(*_KEY).in_(beyond)))


async def forget_repository(connection: AsyncConnection, project_id: UUID, repository: str) -> list[UUID]:
    """Delete the marks of a project's items in a repository. Returns the items; the caller derives their verdicts."""
    items = select(ItemRow.id).where(ItemRow.project_id == project_id)
    which = delete(CodeMarkRow).where(CodeMarkRow.repository == repository, CodeMarkRow.knowledge_id.in_(items))
    return list(await connection.scalars(which.returning(CodeMarkRow.knowledge_id)))


async def expired_project(connection: AsyncConnection, before: datetime) -> tuple[UUID, UUID] | None:
    """Return a project, with its team, that has marks which were last confirmed before a time; None: there is none."""
    items = select(ItemRow.project_id, ItemRow.team_id).join(CodeMarkRow, CodeMarkRow.knowledge_id == ItemRow.id)
    found = (await connection.execute(items.where(CodeMarkRow.checked_at < before).limit(1))).first()
    return None if found is None else (found.project_id, found.team_id)


async def forget_expired(connection: AsyncConnection, project_id: UUID, before: datetime) -> list[UUID]:
    """Delete a batch of a project's marks that were last confirmed before a time. Returns their items; the caller derives the verdicts."""
    items = select(*_KEY).join(ItemRow, ItemRow.id == CodeMarkRow.knowledge_id)
    expired = items.where(ItemRow.project_id == project_id, CodeMarkRow.checked_at < before).limit(EXPIRED_BATCH)
    return list(await connection.scalars(delete(CodeMarkRow).where(tuple_(*_KEY).in_(expired)).returning(CodeMarkRow.knowledge_id)))


async def _forget(connection: AsyncConnection, items: Collection[UUID], which: ColumnElement[bool]) -> None:
    if items and (forgotten := set(await connection.scalars(delete(CodeMarkRow).where(which).returning(CodeMarkRow.knowledge_id)))):
        await set_code_verdicts(connection, forgotten)


_KEY = (CodeMarkRow.knowledge_id, CodeMarkRow.repository)
