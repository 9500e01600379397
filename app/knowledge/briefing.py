"""Reads of one project what a session should know before its first question: what people wrote, and what was learnt lately. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, true

from app.knowledge.item import RECORDED, BriefedItem, Quote
from app.knowledge.supersession_rows import is_replaced
from app.knowledge.tables import NEWEST_EVIDENCE, EvidenceRow, ItemRow
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

SURE_CONFIDENCE = 0.6
"""An item that only one session taught is told unasked from this confidence on."""
SURE_EVIDENCE = 2
"""Or, less sure, if so many places taught it."""


class ProjectBriefing:
    """Reads a project's items by who said them, and when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def written(self, team_id: UUID, project_id: UUID, *, limit: int) -> list[BriefedItem]:
        """Return what people recorded or corrected and nobody overruled: first what others found helpful, then the latest."""
        by_person = or_(ItemRow.origin == "recorded", ItemRow.corrected_at.is_not(None))
        query = _items(team_id, project_id, limit).where(by_person).order_by(ItemRow.helpful.desc(), _AT.desc(), ItemRow.id)
        return [_item(row) for row in await self._database.read(rows_of(query))]

    async def learnt(self, team_id: UUID, project_id: UUID, since: datetime, *, limit: int) -> list[BriefedItem]:
        """Return what sessions taught first since a moment and is sure enough to be told unasked, the latest first."""
        sure = or_(ItemRow.confidence >= SURE_CONFIDENCE, ItemRow.evidence_count >= SURE_EVIDENCE, ItemRow.helpful > 0)
        by_session = and_(ItemRow.origin == "extracted", ItemRow.corrected_at.is_(None), ItemRow.created_at >= since)
        query = _items(team_id, project_id, limit).where(by_session, sure, ItemRow.wrong == 0)
        ordered = query.order_by(ItemRow.created_at.desc(), ItemRow.id)
        return [_item(row) for row in await self._database.read(rows_of(ordered))]


_AT = func.coalesce(ItemRow.corrected_at, ItemRow.created_at)


def _items(team_id: UUID, project_id: UUID, limit: int) -> Select[*tuple[Any, ...]]:
    newest = (
        select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at.label("said_at"))
        .where(EvidenceRow.knowledge_id == ItemRow.id)
        .order_by(*NEWEST_EVIDENCE)
        .limit(1)
        .correlate(ItemRow)
        .lateral("newest")
    )
    columns = (ItemRow.id, ItemRow.type, ItemRow.title, ItemRow.text, ItemRow.origin, ItemRow.developer_id, _AT.label("at"))
    valid = (~ItemRow.hidden, ItemRow.stale <= ItemRow.helpful, ~is_replaced(ItemRow.id))
    return (
        select(*columns, *newest.c)
        .outerjoin(newest, true())
        .where(ItemRow.project_id == project_id, ItemRow.team_id == team_id, *valid)
        .limit(limit)
    )


def _item(row: AnyRow) -> BriefedItem:
    recorded = row.origin == "recorded"
    said = None if row.session_id is None else Quote(row.session_id, row.transcript, row.locator, row.excerpt, row.said_at)
    source = said if said is not None and not recorded else Quote(None, RECORDED, str(row.id), row.text, row.at)
    author = row.developer_id if recorded else None
    return BriefedItem(row.id, row.type, row.title, row.text, author, row.at, source)
