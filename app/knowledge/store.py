"""Items in PostgreSQL. `reconcile` makes a session's evidence exactly what extraction finds in it now, merging it into known items.

Every change is written to the index's outbox in the same transaction. Knows no transcripts and no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import now
from app.embeddings.longform import parts_of
from app.errors import NotFound, NotPermitted
from app.knowledge.changes import ChangedItem, record_changes
from app.knowledge.derivations import PastDecisions, lift_corrections, pinned_among, write_tombstones
from app.knowledge.derivations import move as move_settled
from app.knowledge.freshness import freshness
from app.knowledge.item import Freshness, ItemCandidate, Quote
from app.knowledge.locks import lock_project
from app.knowledge.merging import Rederived, rederive
from app.knowledge.neighbours import Nearby, Neighbourhood, item_text, look_up, pack
from app.knowledge.tables import EvidenceRow, ForgottenRow, ItemRow, OutboxRow
from app.sessions.journal import Journal, Session
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector, VectorStore


@dataclass(frozen=True, slots=True)
class Source:
    """The session that evidence cites. `at` dates candidates that have no time of their own."""

    session_id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
    transcript: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class EmbeddedCandidate:
    """A candidate with its vectors. `long`: see `LongForm.embed`; `long_model` None: not computed yet."""

    candidate: ItemCandidate
    vector: Vector
    model: str
    long: Vector | None = None
    long_model: str | None = None

    @property
    def columns(self) -> dict[str, object]:
        return {
            "embedding": pack(self.vector),
            "embedding_model": self.model,
            "long_embedding": None if self.long is None else pack(self.long),
            "long_embedding_model": self.long_model,
        }

    @property
    def whole(self) -> Vector | None:
        """The vectors of its whole text, window by window (see `neighbours.whole_of`); None until the long form is computed."""
        return None if self.long_model is None else parts_of(self.vector, self.long)


@dataclass(frozen=True, slots=True)
class ReconcileCounts:
    """The counts of one reconciliation. Once the outbox is drained up to `mark`, all of it is searchable."""

    new: int = 0
    merged: int = 0
    updated: int = 0
    withdrawn: int = 0
    known: int = 0
    mark: int = 0

    def __add__(self, other: ReconcileCounts) -> ReconcileCounts:
        counts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "mark"}
        return ReconcileCounts(**counts, mark=max(self.mark, other.mark))


@dataclass(frozen=True, slots=True)
class Item:
    """An item with its evidence, newest first. `developer_id`: its author; None: an admin, or somebody who was removed."""

    id: UUID
    type: str
    intent: str | None
    title: str
    text: str
    confidence: float
    freshness: Freshness
    project_id: UUID
    developer_id: UUID | None
    evidence_count: int
    created_at: datetime
    last_seen_at: datetime
    origin: str
    paths: Sequence[str]
    corrected_at: datetime | None
    helpful: int
    wrong: int
    stale: int
    hidden: bool
    evidence: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """The items that a session's new candidates went to: `made` for them, or `merged_into` (one entry a candidate)."""

    made: Sequence[UUID] = ()
    merged_into: Sequence[UUID] = ()


class KnowledgeStore:
    """Reads and writes items with their evidence. `merge_threshold`: the cosine from which a candidate may be merged into an item."""

    def __init__(self, database: Database, vectors: VectorStore, journal: Journal, *, merge_threshold: float) -> None:
        self._database = database
        self._vectors = vectors
        self._journal = journal
        self._threshold = merge_threshold

    async def known(self, session_id: UUID) -> dict[str, tuple[str, str]]:
        """Return candidate key → (title, text) of a session's evidence: unchanged candidates need no new embedding."""
        async with self._database.begin() as connection:
            rows = await connection.execute(
                select(EvidenceRow.candidate_key, EvidenceRow.title, EvidenceRow.text).where(EvidenceRow.session_id == session_id)
            )
            return {row.candidate_key: (row.title, row.text) for row in rows}

    async def reconcile(
        self,
        source: Source,
        *,
        candidates: Sequence[ItemCandidate],
        embedded: Mapping[str, EmbeddedCandidate],
        checkpointed: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> ReconcileCounts:
        """Make a session's evidence exactly `candidates`, atomically.

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
            await self._journal.hold(connection, source.session_id)  # before the project, in the order a purge locks them: no deadlock
            await lock_project(connection, source.project_id)
            held = await _evidence_by_key(connection, source.session_id)
            forgotten = set(
                await connection.scalars(select(ForgottenRow.candidate_key).where(ForgottenRow.session_id == source.session_id))
            )
            wanted = {candidate.key: candidate for candidate in candidates if candidate.key not in forgotten}
            touched: set[UUID] = set()

            gone = [row for key, row in held.items() if key not in wanted]
            pinned = await pinned_among(connection, [row.knowledge_id for row in gone])
            withdrawn = [row for row in gone if row.knowledge_id not in pinned]
            touched.update(row.knowledge_id for row in withdrawn)
            await _delete_evidence(connection, withdrawn)
            changed = [key for key, row in held.items() if key in wanted and _differs(row, wanted[key])]
            touched.update(held[key].knowledge_id for key in changed)
            await _update_evidence(
                connection, [_evidence(source, wanted[key], embedded.get(key)) | {"row": held[key].id} for key in changed]
            )

            new = [embedded[key] for key in wanted if key not in held]
            found = [(each.candidate, each.vector) for each in new]
            keys = {candidate.key for candidate in candidates}
            settled = await PastDecisions.read(connection, source.session_id, source.project_id, found, keys=keys)
            fresh = [each for each in new if not settled.was_deleted(source.session_id, each.candidate, each.vector)]
            placed = await _assign_items(connection, source, fresh, nearby, self._threshold, settled)
            touched.update(placed.merged_into)
            elected = await rederive(connection, touched)
            if checkpointed is not None:
                await checkpointed(connection)
            items = dict.fromkeys([*placed.made, *elected.items])
            await record_changes(connection, [ChangedItem(item, source.project_id, source.team_id) for item in items])
            mark = await connection.scalar(select(func.coalesce(func.max(OutboxRow.id), 0)))
        return ReconcileCounts(
            new=len(placed.made),
            merged=len(placed.merged_into),
            updated=len(changed),
            withdrawn=len(withdrawn),
            known=len(held) - len(withdrawn) - len(changed),
            mark=mark or 0,
        )

    async def get(self, team_id: UUID, item_id: UUID) -> Item:
        """Return an item with all its evidence, newest first. NotFound for another team's."""

        async def read(connection: AsyncConnection) -> Item:
            row = await owned(connection, team_id, item_id)
            quotes = await connection.execute(
                select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
                .where(EvidenceRow.knowledge_id == item_id)
                .order_by(EvidenceRow.at.desc().nulls_last(), EvidenceRow.candidate_key)
            )
            return Item(
                **{f.name: getattr(row, f.name) for f in fields(Item) if f.name != "evidence"},
                evidence=tuple(Quote(*quote) for quote in quotes),
            )

        return await self._database.read(read)

    async def delete(self, team_id: UUID, item_id: UUID, *, developer_id: UUID | None) -> None:
        """Delete an item, leaving tombstones: extracting its sessions again doesn't bring it back.

        `developer_id`: the one whose item it must be; None: anybody's. NotPermitted if it is another's.
        """
        async with self._database.begin() as connection:
            row = await lock_item(connection, team_id, item_id)
            if developer_id is not None and row.developer_id != developer_id:
                raise NotPermitted(
                    "Only its author, a lead or an admin can delete this item. Say that it is wrong or stale: POST …/feedback."
                )
            await write_tombstones(connection, item_id, row.project_id)
            await connection.execute(delete(ItemRow).where(ItemRow.id == item_id))
            await record_changes(connection, [ChangedItem(item_id, row.project_id, team_id)])

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
        await record_changes(connection, [ChangedItem(item, session.project_id, session.team_id) for item in withdrawn.items])
        return withdrawn

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move a project's items to another project, in the caller's transaction, which must hold the project's sessions."""
        for each in sorted((project_id, into)):
            await lock_project(connection, each)
        await move_settled(connection, project_id, into)
        moved = update(ItemRow).where(ItemRow.project_id == project_id).values(project_id=into).returning(ItemRow.id)
        items = (await connection.scalars(moved)).all()
        await record_changes(connection, [ChangedItem(item, project, team_id) for item in items for project in (project_id, into)])

    async def count(self) -> int:
        async with self._database.begin() as connection:
            return await connection.scalar(select(func.count()).select_from(ItemRow)) or 0


async def _assign_items(
    connection: AsyncConnection,
    source: Source,
    fresh: Sequence[EmbeddedCandidate],
    nearby: Nearby,
    threshold: float,
    settled: PastDecisions,
) -> Placed:
    """Assign each new candidate an item: the one that a person's decision ties it to, an equivalent one, or a new one."""
    if not fresh:
        return Placed()
    neighbourhood = await Neighbourhood.read(connection, source.project_id, nearby, threshold)
    settled.widen(neighbourhood)
    made: list[UUID] = []
    merged: list[UUID] = []
    items: list[dict[str, object]] = []
    evidence: list[dict[str, object]] = []
    for each in fresh:
        await asyncio.sleep(0)  # comparing is slow CPU work: let the job's heartbeat run
        words = item_text(each.candidate.title, each.candidate.text)
        item = settled.item_of(source.session_id, each.candidate, each.vector)
        item = item or neighbourhood.duplicate_of(words, each.vector, each.whole)
        if item is None:
            item = uuid4()
            made.append(item)
            items.append(_item(item, source, each))
            neighbourhood.add(item, words, each.vector, each.whole)
        else:
            merged.append(item)
        evidence.append(_evidence(source, each.candidate, each) | {"id": uuid4(), "knowledge_id": item})
    if items:
        await connection.execute(insert(ItemRow), items)
    await connection.execute(insert(EvidenceRow), evidence)
    return Placed(made, merged)


async def _evidence_by_key(connection: AsyncConnection, session_id: UUID) -> dict[str, AnyRow]:
    rows = await connection.execute(select(EvidenceRow.__table__).where(EvidenceRow.session_id == session_id))
    return {row.candidate_key: row for row in rows}


async def lock_item(connection: AsyncConnection, team_id: UUID, item_id: UUID) -> AnyRow:
    """Lock an item's project against other writers until the transaction ends, and return the item's row. NotFound for another team's."""
    await lock_project(connection, (await owned(connection, team_id, item_id)).project_id)
    return await owned(connection, team_id, item_id)


async def owned(connection: AsyncConnection, team_id: UUID, item_id: UUID) -> AnyRow:
    """Return an item's row. NotFound for another team's."""
    row = (await connection.execute(select(ItemRow.__table__).where(ItemRow.id == item_id, ItemRow.team_id == team_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no knowledge item {item_id}. Search with POST /v1/knowledge/query to find its id.")
    return row


async def _delete_evidence(connection: AsyncConnection, rows: Sequence[AnyRow]) -> None:
    if rows:
        await connection.execute(delete(EvidenceRow).where(EvidenceRow.id.in_([row.id for row in rows])))


async def _update_evidence(connection: AsyncConnection, rows: Sequence[dict[str, object]]) -> None:
    for row in rows:
        key = row.pop("row")
        result: CursorResult[object] = await connection.execute(
            update(EvidenceRow).where(EvidenceRow.id == bindparam("row_id")).values(row), {"row_id": key}
        )
        assert result.rowcount == 1


def _differs(row: AnyRow, candidate: ItemCandidate) -> bool:
    """Tell whether extraction now words or weighs a candidate differently (the row holds single precision)."""
    same_words = (row.type, row.title, row.text, row.excerpt) == (
        candidate.type,
        candidate.title,
        candidate.text,
        candidate.excerpt,
    )
    return not same_words or abs(row.confidence - candidate.confidence) > 1e-4


def _evidence(source: Source, candidate: ItemCandidate, embedded: EmbeddedCandidate | None) -> dict[str, object]:
    row: dict[str, object] = {
        "session_id": source.session_id,
        "candidate_key": candidate.key,
        "event_id": candidate.event_id,
        "locator": candidate.locator,
        "transcript": source.transcript,
        "excerpt": candidate.excerpt,
        "type": candidate.type,
        "intent": candidate.intent,
        "title": candidate.title,
        "text": candidate.text,
        "confidence": candidate.confidence,
        "at": candidate.at or source.at,
    }
    if embedded is not None:
        row |= embedded.columns
    return row


def _item(item: UUID, source: Source, embedded: EmbeddedCandidate) -> dict[str, object]:
    candidate, moment = embedded.candidate, now()
    at = min(candidate.at or source.at or moment, moment)
    return {
        "id": item,
        "team_id": source.team_id,
        "project_id": source.project_id,
        "developer_id": source.developer_id,
        "type": candidate.type,
        "intent": candidate.intent,
        "title": candidate.title,
        "text": candidate.text,
        "confidence": candidate.confidence,
        "freshness": freshness(at, moment),
        "created_at": at,
        "last_seen_at": at,
        **embedded.columns,
    }
