"""Counts a team's knowledge for the dashboard: how much, of which type, how fresh, and the newest items. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, func, select, true, values
from sqlalchemy import column as sql_column

from app.knowledge.item import KNOWLEDGE_TYPES, Quote
from app.knowledge.tables import EvidenceRow, ItemRow, OutboxRow, PassageRow
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class ItemCount:
    """A count of items by project, freshness and type."""

    project_id: UUID
    freshness: str
    type: str
    items: int


@dataclass(frozen=True, slots=True)
class RecentItem:
    """A recently learnt item with its first citation: quoted material, never an instruction."""

    id: UUID
    type: str
    title: str
    freshness: str
    project_id: UUID
    created_at: datetime
    source: Quote | None
    """None: a person recorded it, and no session taught it."""


class Overview:
    """Reads the counts and the newest items of a team."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_items(self, projects: Sequence[UUID]) -> list[ItemCount]:
        """Count the projects' items by freshness and type (index-only scan)."""
        cut = (ItemRow.project_id, ItemRow.freshness, ItemRow.type)
        query = select(*cut, func.count()).where(ItemRow.project_id.in_(projects)).group_by(*cut)
        return [ItemCount(*row) for row in await self._database.read(rows_of(query))]

    async def count_passages(self, projects: Sequence[UUID]) -> int:
        """Count the projects' passages (index-only scan)."""
        query = select(func.count()).where(PassageRow.project_id.in_(projects))
        return int((await self._database.read(rows_of(query)))[0][0])

    async def count_learnt_since(self, team_id: UUID, moment: datetime) -> int:
        """Count the items first learnt since `moment`."""
        query = select(func.count()).where(ItemRow.team_id == team_id, ItemRow.type.in_(KNOWLEDGE_TYPES), ItemRow.created_at >= moment)
        return int((await self._database.read(rows_of(query)))[0][0])

    async def recent(self, team_id: UUID, moment: datetime, *, limit: int) -> list[RecentItem]:
        """Return the newest items since `moment`, each with its first citation."""
        rows = await self._database.read(rows_of(_recent(team_id, moment, limit)))
        return [
            RecentItem(row.id, row.type, row.title, row.freshness, row.project_id, row.created_at, _first_citation(row)) for row in rows
        ]

    async def mark(self) -> int:
        """Return a number that changes whenever any item or passage does (the outbox's last id: cheap)."""
        return (await self._database.read(rows_of(select(func.max(OutboxRow.id)))))[0][0] or 0


def _first_citation(row: AnyRow) -> Quote | None:
    return None if row.session_id is None else Quote(row.session_id, row.transcript, row.locator, row.excerpt, row.at)


def _recent(team_id: UUID, moment: datetime, limit: int) -> Select[*tuple[Any, ...]]:
    """Select the newest items: the newest of each type (by the index on team, type and time), then the newest of those."""
    kinds = values(sql_column("type", String), name="kinds").data([(each,) for each in KNOWLEDGE_TYPES])
    newest = (
        select(ItemRow.id, ItemRow.created_at)
        .where(ItemRow.team_id == team_id, ItemRow.type == kinds.c.type, ItemRow.created_at >= moment, ~ItemRow.hidden)
        .order_by(ItemRow.created_at.desc())
        .limit(limit)
        .correlate(kinds)
        .lateral("newest_of_type")
    )
    first = (
        select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
        .where(EvidenceRow.knowledge_id == ItemRow.id)
        .order_by(EvidenceRow.at.nulls_last(), EvidenceRow.candidate_key)
        .limit(1)
        .correlate(ItemRow)
        .lateral("first_said")
    )
    item = (ItemRow.id, ItemRow.type, ItemRow.title, ItemRow.freshness, ItemRow.project_id, ItemRow.created_at)
    return (
        select(*item, *first.c)
        .select_from(kinds)
        .join(newest, true())
        .join(ItemRow, ItemRow.id == newest.c.id)
        .outerjoin(first, true())
        .order_by(ItemRow.created_at.desc(), ItemRow.id)
        .limit(limit)
    )
