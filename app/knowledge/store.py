"""Items in PostgreSQL: read, deleted, moved, and reconciled with what extraction finds in a session.

Every change is written to the index's outbox in the same transaction. Knows no transcripts and no HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from uuid import UUID

from sqlalchemy import Uuid, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound, NotPermitted
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.contradiction_rows import read_contradictions
from app.knowledge.derivations import lift_corrections, move_decisions, write_tombstones
from app.knowledge.item import Item, ItemCandidate, Quote
from app.knowledge.locks import lock_project
from app.knowledge.marks import mark_of
from app.knowledge.merging import Rederived, rederive
from app.knowledge.neighbours import look_up
from app.knowledge.reconciliation import EmbeddedCandidate, ReconcileCounts, Source, reconcile
from app.knowledge.relations import refresh_relations
from app.knowledge.standing import is_portable, standing_of
from app.knowledge.subject_rows import read_subjects
from app.knowledge.supersession_rows import merged_into, read_links
from app.knowledge.tables import NEWEST_EVIDENCE, CodeMarkRow, EvidenceRow, ItemRow, OutboxRow
from app.knowledge.use_counts import count_item_uses
from app.knowledge.verdicts import is_retired
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import VectorStore


class KnowledgeStore:
    """Reads and writes items with their evidence. `merge_threshold`: the cosine from which a candidate may be merged into an item."""

    def __init__(self, database: Database, vectors: VectorStore, journal: Journal, *, merge_threshold: float) -> None:
        self._database = database
        self._vectors = vectors
        self._journal = journal
        self._threshold = merge_threshold

    async def known(self, session_id: UUID, *, distilled: bool = False) -> dict[str, tuple[str, str]]:
        """Return candidate key → (title, text) of a session's evidence: unchanged candidates need no new embedding.

        `distilled`: of what a model worded, instead of what rules extracted.
        """
        ours = (EvidenceRow.session_id == session_id, EvidenceRow.distilled == distilled)
        async with self._database.begin() as connection:
            rows = await connection.execute(select(EvidenceRow.candidate_key, EvidenceRow.title, EvidenceRow.text).where(*ours))
            return {row.candidate_key: (row.title, row.text) for row in rows}

    async def reconcile(
        self,
        source: Source,
        *,
        candidates: Sequence[ItemCandidate],
        embedded: Mapping[str, EmbeddedCandidate],
        checkpointed: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> ReconcileCounts:
        """Make a session's evidence, as far as `source` says, exactly `candidates`, atomically.

        New candidates are merged into an equivalent item or stored as new ones, changed ones updated, those that extraction no longer finds
        withdrawn. `embedded`: the vectors of every new or reworded candidate, by key. `checkpointed` writes the projection's
        checkpoint in the same transaction. NotFound when the session was purged meanwhile.
        """
        nearby = await look_up(
            self._database,
            self._vectors,
            [each.vector for each in embedded.values()],
            team_id=source.team_id,
            project_id=source.project_id,
            threshold=self._threshold,
        )
        async with self._database.begin() as connection:
            await self._journal.lock_against_deletion(connection, source.session_id)  # before the project, as a purge does: no deadlock
            await lock_project(connection, source.project_id)
            outcome = await reconcile(connection, source, candidates, embedded, nearby)
            if checkpointed is not None:
                await checkpointed(connection)
            await record_changes(connection, [ChangedPoint(item, source.project_id, source.team_id) for item in outcome.items])
            mark = await connection.scalar(select(func.coalesce(func.max(OutboxRow.id), 0)))
        return replace(outcome.counts, mark=mark or 0)

    async def get(self, team_id: UUID, item_id: UUID, *, closed: Collection[UUID] = ()) -> Item:
        """Return an item with all its evidence, newest first. NotFound for another team's, and for one of the projects `closed`."""

        async def read(connection: AsyncConnection) -> Item:
            row = await team_item_row(connection, team_id, item_id, closed=closed)
            joined = (await connection.execute(_JOINED.where(ItemRow.id.in_(merged_into(item_id))))).all()
            quotes = await connection.execute(
                select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
                .where(EvidenceRow.knowledge_id.in_([item_id, *(each.id for each in joined)]))
                .order_by(*NEWEST_EVIDENCE)
            )
            uses = await count_item_uses(connection, [item_id, *(each.id for each in joined)])
            marks = select(CodeMarkRow.__table__).where(CodeMarkRow.knowledge_id == item_id).order_by(CodeMarkRow.repository)
            by, of = await read_links(connection, item_id)
            elsewhere = select(is_portable(literal(list(closed), ARRAY(Uuid)))).where(ItemRow.id == item_id)
            portable = bool(await connection.scalar(elsewhere))
            own = select(func.min(EvidenceRow.created_at), func.bool_and(EvidenceRow.distilled)).where(EvidenceRow.knowledge_id == item_id)
            learnt_at, distilled = (await connection.execute(own)).one()
            return Item(
                **{each.name: getattr(row, each.name) for each in fields(Item) if each.name not in _DERIVED.union(uses._fields)},
                **uses._asdict(),
                evidence=tuple(Quote(*quote) for quote in quotes),
                evidence_count=row.evidence_count + sum(each.evidence_count for each in joined),
                subjects=await read_subjects(connection, item_id),
                learnt_at=row.created_at if row.origin == "recorded" or learnt_at is None else learnt_at,
                replaced_by=by,
                replaces=of,
                contradicts=await read_contradictions(connection, item_id),
                standing=standing_of(portable=portable, people=row.people),
                distilled=is_distilled(row, by_model_alone=bool(distilled)),
                retired=row.hidden and await is_retired(connection, item_id),
                code=tuple(map(mark_of, await connection.execute(marks))),
            )

        return await self._database.read(read)

    async def delete(self, team_id: UUID, item_id: UUID, *, developer_id: UUID | None, closed: Collection[UUID] = ()) -> None:
        """Delete an item, leaving tombstones: extracting its sessions again doesn't bring it back.

        `developer_id`: the one whose item it must be; None: anybody's. NotPermitted if it is another's.
        """
        async with self._database.begin() as connection:
            row = await lock_item(connection, team_id, item_id, closed=closed)
            if developer_id is not None and row.developer_id != developer_id:
                raise NotPermitted(
                    "Only its author, a lead or an admin can delete this item. Say that it is wrong or stale on its"
                    " dashboard page, or with POST /v1/knowledge/{id}/feedback."
                )
            await write_tombstones(connection, item_id, row.project_id)
            await connection.execute(delete(ItemRow).where(ItemRow.id == item_id))
            await record_changes(connection, [ChangedPoint(item_id, row.project_id, team_id)])

    async def withdraw_session(self, connection: AsyncConnection, session: Session) -> Rederived:
        """Withdraw all evidence of a session, in the caller's transaction, which must hold the session.

        Items with evidence from other sessions stay, in those sessions' words.
        """
        await lock_project(connection, session.project_id)
        await lift_corrections(connection, session.id)
        items = await connection.scalars(
            delete(EvidenceRow).where(EvidenceRow.session_id == session.id).returning(EvidenceRow.knowledge_id)
        )
        withdrawn = await rederive(connection, items)
        await refresh_relations(connection, withdrawn.items)
        await record_changes(connection, [ChangedPoint(item, session.project_id, session.team_id) for item in withdrawn.items])
        return withdrawn

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move a project's items to another project, in the caller's transaction, which must hold the project's sessions.

        What they replace or contradict there is found later (`subjects_backfill`): thousands of items would hold both projects for long.
        """
        for each in sorted((project_id, into)):
            await lock_project(connection, each)
        await move_decisions(connection, project_id, into)
        moved = update(ItemRow).where(ItemRow.project_id == project_id).values(project_id=into, subjects_version=0).returning(ItemRow.id)
        items = (await connection.scalars(moved)).all()
        await record_changes(connection, [ChangedPoint(item, project, team_id) for item in items for project in (project_id, into)])

    async def count(self) -> int:
        async with self._database.begin() as connection:
            return await connection.scalar(select(func.count()).select_from(ItemRow)) or 0


_DERIVED = frozenset(
    {
        "evidence",
        "evidence_count",
        "subjects",
        "learnt_at",
        "replaced_by",
        "replaces",
        "contradicts",
        "standing",
        "retired",
        "distilled",
        "code",
    }
)
"""Fields of an item that are no columns of its row."""
_JOINED = select(ItemRow.id, ItemRow.evidence_count)


def is_distilled(row: AnyRow, *, by_model_alone: bool) -> bool:
    """Tell whether a model worded an item. `by_model_alone`: all of its evidence is a model's."""
    return by_model_alone and row.origin != "recorded" and row.corrected_at is None


async def lock_item(connection: AsyncConnection, team_id: UUID, item_id: UUID, *, closed: Collection[UUID]) -> AnyRow:
    """Lock an item's project against other writers until the transaction ends, and return the item's row. NotFound as `team_item_row`."""
    row = await team_item_row(connection, team_id, item_id, closed=closed)
    await lock_project(connection, row.project_id)
    while (locked := await team_item_row(connection, team_id, item_id, closed=closed)).project_id != row.project_id:
        row = locked  # its project was merged into another while this waited
        await lock_project(connection, row.project_id)
    return locked


async def team_item_row(connection: AsyncConnection, team_id: UUID, item_id: UUID, *, closed: Collection[UUID]) -> AnyRow:
    """Return an item's row. NotFound for another team's, and for one of the projects `closed` to who asks."""
    row = (await connection.execute(select(ItemRow.__table__).where(ItemRow.id == item_id, ItemRow.team_id == team_id))).one_or_none()
    if row is None or row.project_id in closed:
        raise NotFound(f"There is no knowledge item {item_id}. Find its id with `cairn query` or POST /v1/knowledge/query.")
    return row
