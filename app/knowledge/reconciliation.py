"""Reconciles a session's evidence with what extraction finds in it now: plan, withdraw, update, assign to items, rederive the items.

Runs inside the caller's transaction, which holds the session and its project's lock, and records the changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import cast
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import now
from app.embeddings.longform import parts_of
from app.knowledge.consolidation import absorb, near_copies_of
from app.knowledge.derivations import PastDecisions, pinned_among
from app.knowledge.item import ItemCandidate
from app.knowledge.merging import rederive
from app.knowledge.neighbours import Nearby, Neighbourhood, item_text, pack
from app.knowledge.relations import refresh_relations
from app.knowledge.subject_rows import VERSION as SUBJECTS_VERSION
from app.knowledge.tables import EvidenceRow, ForgottenRow, ItemRow
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector


@dataclass(frozen=True, slots=True)
class Source:
    """The session that evidence cites. `at` dates candidates that have no time of their own.

    `distilled`: a model worded the candidates; what rules extracted from the session is another set of evidence, and stays as it is.
    `other_events`: so does the evidence of these events, where a session is read in parts.
    """

    session_id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
    transcript: str
    at: datetime | None
    branch: str | None = None
    distilled: bool = False
    other_events: Collection[str] = frozenset()


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
    def long_form(self) -> Vector | None:
        """The vectors of its whole text, window by window (see `neighbours.long_form_of`); None until the long form is computed."""
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
class Reconciled:
    """The outcome of a reconciliation. `items`: all items that it touched, each once; `counts`: without their `mark`."""

    items: Sequence[UUID]
    counts: ReconcileCounts


@dataclass(frozen=True, slots=True)
class _EvidencePlan:
    """The difference between a session's stored evidence and its candidates now. `changed`: rows whose candidate is worded anew."""

    unchanged: int
    withdrawn: Sequence[AnyRow]
    changed: Sequence[tuple[AnyRow, ItemCandidate]]
    new: Sequence[EmbeddedCandidate]


@dataclass(frozen=True, slots=True)
class _Assignment:
    """The items that a session's new candidates were assigned to: `created` for them, or `merged_into` (one entry a candidate).

    `absorbed`: items that became part of one of these, and have no evidence any more.
    """

    created: Sequence[UUID] = ()
    merged_into: Sequence[UUID] = ()
    absorbed: Sequence[UUID] = ()


async def reconcile(
    connection: AsyncConnection,
    source: Source,
    candidates: Sequence[ItemCandidate],
    embedded: Mapping[str, EmbeddedCandidate],
    nearby: Nearby,
) -> Reconciled:
    """Make a session's evidence, as far as `source` says, exactly `candidates`.

    `embedded`: see `KnowledgeStore.reconcile`; `nearby`: the items close to those.
    """
    plan = await _plan(connection, source, candidates, embedded)
    await _delete_evidence(connection, plan.withdrawn)
    await _update_evidence(connection, source, plan.changed, embedded)
    decisions = await PastDecisions.read(
        connection,
        source.session_id,
        source.project_id,
        [(each.candidate, each.vector) for each in plan.new],
        keys={candidate.key for candidate in candidates},
    )
    wanted = [each for each in plan.new if not decisions.was_deleted(source.session_id, each.candidate, each.vector)]
    assigned = await _assign_items(connection, source, wanted, nearby, decisions)
    touched = {row.knowledge_id for row in (*plan.withdrawn, *(row for row, _ in plan.changed))}
    rederived = await rederive(connection, touched.union(assigned.merged_into, assigned.absorbed))
    counts = ReconcileCounts(
        new=len(assigned.created),
        merged=len(assigned.merged_into),
        updated=len(plan.changed),
        withdrawn=len(plan.withdrawn),
        known=plan.unchanged,
    )
    items = list(dict.fromkeys([*assigned.created, *rederived.items]))
    await refresh_relations(connection, items)
    return Reconciled(items, counts)


async def _plan(
    connection: AsyncConnection, source: Source, candidates: Sequence[ItemCandidate], embedded: Mapping[str, EmbeddedCandidate]
) -> _EvidencePlan:
    """Compare the stored evidence with the candidates that no person deleted. Pinned items keep their evidence."""
    stored = await _evidence_by_key(connection, source)
    forgotten = set(await connection.scalars(select(ForgottenRow.candidate_key).where(ForgottenRow.session_id == source.session_id)))
    wanted = {candidate.key: candidate for candidate in candidates if candidate.key not in forgotten}
    gone = [row for key, row in stored.items() if key not in wanted]
    pinned = await pinned_among(connection, [row.knowledge_id for row in gone])
    withdrawn = [row for row in gone if row.knowledge_id not in pinned]
    changed = [(row, wanted[key]) for key, row in stored.items() if key in wanted and _differs(row, wanted[key])]
    new = [embedded[key] for key in wanted if key not in stored]
    return _EvidencePlan(len(stored) - len(withdrawn) - len(changed), withdrawn, changed, new)


async def _assign_items(
    connection: AsyncConnection, source: Source, new: Sequence[EmbeddedCandidate], nearby: Nearby, decisions: PastDecisions
) -> _Assignment:
    """Assign each new candidate an item: the one that a person's decision ties it to, an equivalent one, or a new one."""
    if not new:
        return _Assignment()
    neighbourhood = await Neighbourhood.read(connection, source.project_id, nearby)
    decisions.extend(neighbourhood)
    made = _Made()
    for each in new:
        await asyncio.sleep(0)  # comparing is slow CPU work: let the job's heartbeat run
        words = item_text(each.candidate.title, each.candidate.text)
        item = decisions.item_of(source.session_id, each.candidate, each.vector)
        item = item or await neighbourhood.duplicate_of(words, each.vector, each.long_form)
        if item is None and not source.distilled:
            item = await _join_copies(connection, source, each, neighbourhood, made)
        if item is None:
            item = uuid4()
            made.items[item] = _item(item, source, each)
            neighbourhood.add(item, words, each.vector, each.long_form)
        else:
            made.merged.append(item)
        made.evidence.append(_evidence(source, each.candidate, each) | {"id": uuid4(), "knowledge_id": item})
    if made.items:
        await connection.execute(insert(ItemRow), list(made.items.values()))
    await connection.execute(insert(EvidenceRow), made.evidence)
    return _Assignment(list(made.items), made.merged, made.absorbed)


@dataclass(slots=True)
class _Made:
    """An assignment under way: rows of new items by id and of evidence, not stored yet; items that take evidence, or gave it away."""

    items: dict[UUID, dict[str, object]] = field(default_factory=dict)
    evidence: list[dict[str, object]] = field(default_factory=list)
    merged: list[UUID] = field(default_factory=list)
    absorbed: list[UUID] = field(default_factory=list)


async def _join_copies(
    connection: AsyncConnection, source: Source, each: EmbeddedCandidate, neighbourhood: Neighbourhood, made: _Made
) -> UUID | None:
    """Return the item of which a candidate is a near-copy, with all others that it says all of; None if it is none."""
    candidate = each.candidate
    created = {item: cast("datetime", row["created_at"]) for item, row in made.items.items()}
    at = candidate.at or source.at
    copies = await near_copies_of(connection, neighbourhood, candidate.text, each.vector, at=at, created=created)
    if copies is None:
        return None
    await absorb(connection, copies.absorbed, copies.item)
    unstored = [item for item in copies.absorbed if made.items.pop(item, None) is not None]
    made.absorbed += [item for item in copies.absorbed if item not in unstored]
    made.merged = [copies.item if item in copies.absorbed else item for item in made.merged] + [copies.item for _ in unstored]
    made.evidence = [row | {"knowledge_id": copies.item} if row["knowledge_id"] in copies.absorbed else row for row in made.evidence]
    neighbourhood.replace(copies.absorbed, copies.item)
    neighbourhood.add(copies.item, item_text(candidate.title, candidate.text), each.vector, each.long_form)
    return copies.item


async def _evidence_by_key(connection: AsyncConnection, source: Source) -> dict[str, AnyRow]:
    ours = (EvidenceRow.session_id == source.session_id, EvidenceRow.distilled == source.distilled)
    rows = await connection.execute(select(EvidenceRow.__table__).where(*ours))
    return {row.candidate_key: row for row in rows if row.event_id not in source.other_events}


async def _delete_evidence(connection: AsyncConnection, rows: Sequence[AnyRow]) -> None:
    if rows:
        await connection.execute(delete(EvidenceRow).where(EvidenceRow.id.in_([row.id for row in rows])))


async def _update_evidence(
    connection: AsyncConnection,
    source: Source,
    changed: Sequence[tuple[AnyRow, ItemCandidate]],
    embedded: Mapping[str, EmbeddedCandidate],
) -> None:
    for row, candidate in changed:
        values = _evidence(source, candidate, embedded.get(candidate.key))
        result: CursorResult[object] = await connection.execute(
            update(EvidenceRow).where(EvidenceRow.id == bindparam("row_id")).values(values), {"row_id": row.id}
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
        "branch": source.branch,
        "developer_id": source.developer_id,
        "distilled": source.distilled,
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
        "created_at": at,
        "last_seen_at": at,
        "subjects_version": SUBJECTS_VERSION,
        **embedded.columns,
    }
