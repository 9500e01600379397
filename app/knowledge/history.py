"""An item's history: when it was learnt, merged, recorded, corrected, judged, used, replaced and retired, and by whom. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import case, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.item import HistoryAction, HistoryEvent, Quote
from app.knowledge.relation_tables import ContradictionRow, SupersessionRow
from app.knowledge.store import team_item_row
from app.knowledge.tables import EvidenceRow, FeedbackRow, ItemRow, RevisionRow, UseRow
from app.knowledge.use_counts import counting
from app.sessions.journal import Journal
from app.storage.database import Database
from app.storage.tables import AnyRow

MAX_ENTRIES = 200
_DECIDED = {"this": "This one holds.", "that": "The other one holds.", "both": "Both hold."}


class ItemHistory:
    """Reads the history of an item."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def read(self, team_id: UUID, item_id: UUID, *, closed: Collection[UUID] = ()) -> list[HistoryEvent]:
        """Return an item's history, latest first, at most MAX_ENTRIES. NotFound for another team's, and of the projects `closed`."""

        async def entries(connection: AsyncConnection) -> list[HistoryEvent]:
            row = await team_item_row(connection, team_id, item_id, closed=closed)
            learnt = await _learnt(connection, item_id, first="merged" if row.origin == "recorded" else "learnt")
            found = [
                *learnt,
                *await _revisions(connection, item_id),
                *await _verdicts(connection, item_id),
                *await _uses(connection, item_id),
                *await _replacements(connection, item_id),
                *await _contradictions(connection, item_id),
                *await _absorbed(connection, item_id),
            ]
            return sorted(found, key=lambda entry: entry.at, reverse=True)[:MAX_ENTRIES]

        found = await self._database.read(entries)
        if not closed:
            return found
        said = {each.source.session_id for each in found if each.source is not None and each.source.session_id is not None}
        cited = await self._journal.cited(team_id, said)  # a session of any project may have used the item
        unseen = {session.id for session in cited.values() if session.project_id in closed}
        return [each for each in found if each.source is None or each.source.session_id not in unseen]


async def _learnt(connection: AsyncConnection, item_id: UUID, *, first: HistoryAction) -> list[HistoryEvent]:
    rows = (
        await connection.execute(
            select(EvidenceRow.__table__)
            .where(EvidenceRow.knowledge_id == item_id)
            .order_by(EvidenceRow.created_at.desc(), EvidenceRow.id)
            .limit(MAX_ENTRIES)
        )
    ).all()
    return [
        HistoryEvent(
            first if row is rows[-1] else "merged",
            row.created_at,
            type=row.type,
            title=row.title,
            text=row.text,
            source=Quote(row.session_id, row.transcript, row.locator, row.excerpt, row.at),
        )
        for row in rows
    ]


async def _revisions(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    query = select(RevisionRow.__table__).where(RevisionRow.knowledge_id == item_id).order_by(RevisionRow.id.desc()).limit(MAX_ENTRIES)
    return [
        HistoryEvent(row.action, row.at, row.developer_id, row.by_admin, row.type, row.title, row.text, row.paths)
        for row in await connection.execute(query)
    ]


async def _verdicts(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    query = select(FeedbackRow.__table__).where(FeedbackRow.knowledge_id == item_id).order_by(FeedbackRow.at.desc()).limit(MAX_ENTRIES)
    return [
        HistoryEvent("judged", row.at, row.developer_id, row.by_admin, verdict=row.verdict, note=row.note or None)
        for row in await connection.execute(query)
    ]


async def _replacements(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    query = (
        select(SupersessionRow.__table__, ItemRow.title)
        .join(ItemRow, ItemRow.id == SupersessionRow.newer_id)
        .where(SupersessionRow.older_id == item_id)
        .order_by(SupersessionRow.created_at.desc())
        .limit(MAX_ENTRIES)
    )
    rows = (await connection.execute(query)).all()
    made = [
        HistoryEvent("merged_into", row.said_at, row.made_by, row.made_by_admin, title=row.title, other=row.newer_id)
        if row.cause == "merged"
        else HistoryEvent("replaced", row.created_at, title=row.title, note=row.words or None, other=row.newer_id)
        for row in rows
        if row.cause != "decided"
    ]
    decided = [event for row in rows if row.cause == "decided" for event in _undone_decision(row, row.newer_id, "that")]
    undone = [
        HistoryEvent("restored", row.undone_at, row.undone_by, row.by_admin, title=row.title, other=row.newer_id)
        for row in rows
        if row.undone_at is not None
    ]
    return [*made, *decided, *undone]


def _undone_decision(row: AnyRow, other: UUID, which: str) -> list[HistoryEvent]:
    """Tell a decision that was taken back, by its link; of one that stands the contradiction tells."""
    if row.undone_at is None:
        return []
    return [HistoryEvent("decided", row.said_at, row.made_by, row.made_by_admin, title=row.title, note=_DECIDED[which], other=other)]


async def _contradictions(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    is_one = ContradictionRow.one_id == item_id
    other = case((is_one, ContradictionRow.other_id), else_=ContradictionRow.one_id)
    query = (
        select(ContradictionRow.__table__, ItemRow.title)
        .join(ItemRow, ItemRow.id == other)
        .where(or_(is_one, ContradictionRow.other_id == item_id))
        .order_by(ContradictionRow.created_at.desc())
        .limit(MAX_ENTRIES)
    )
    found: list[HistoryEvent] = []
    for row in await connection.execute(query):
        mine, theirs, words = ("one", row.other_id, row.other_words) if row.one_id == item_id else ("other", row.one_id, row.words)
        found.append(HistoryEvent("contradicted", row.created_at, title=row.title, note=words or None, other=theirs))
        if row.decision is not None:
            note = _DECIDED["both" if row.decision == "both" else "this" if row.decision == mine else "that"]
            found.append(HistoryEvent("decided", row.decided_at, row.decided_by, row.by_admin, title=row.title, note=note, other=theirs))
    return found


async def _absorbed(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    """Read when people merged other items into this one, and when such a merge, or a decision for this one, was taken back."""
    query = (
        select(SupersessionRow.__table__, ItemRow.title)
        .join(ItemRow, ItemRow.id == SupersessionRow.older_id)
        .where(SupersessionRow.newer_id == item_id, SupersessionRow.cause != "said")
        .order_by(SupersessionRow.created_at.desc())
        .limit(MAX_ENTRIES)
    )
    found: list[HistoryEvent] = []
    for row in await connection.execute(query):
        if row.cause == "merged":
            found.append(HistoryEvent("absorbed", row.said_at, row.made_by, row.made_by_admin, title=row.title, other=row.older_id))
        else:
            found += _undone_decision(row, row.older_id, "this")
        if row.undone_at is not None:
            found.append(HistoryEvent("restored", row.undone_at, row.undone_by, row.by_admin, title=row.title, other=row.older_id))
    return found


async def _uses(connection: AsyncConnection, item_id: UUID) -> list[HistoryEvent]:
    query = (
        select(UseRow.__table__)
        .join(ItemRow, counting())
        .where(ItemRow.id == item_id)
        .order_by(UseRow.noticed_at.desc())
        .limit(MAX_ENTRIES)
    )
    return [
        HistoryEvent(
            "used" if row.accepted else "refused", row.noticed_at, source=Quote(row.session_id, row.transcript, row.locator, "", row.at)
        )
        for row in await connection.execute(query)
    ]
