"""Keeps people's decisions about extracted items through re-extraction: deleted stays deleted, corrected corrected, merged merged.

Another version of extraction makes other keys and words, and may cite another place. So a candidate is matched to what a person deleted,
corrected, judged or merged by its derivation: the same words, or the same event and nearly the same meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.knowledge.decisions import decided_items, is_decided
from app.knowledge.item import ItemCandidate
from app.knowledge.neighbours import Neighbourhood, item_text, long_form_of, unpack
from app.knowledge.tables import EvidenceRow, ForgottenRow, ItemRow, RevisionRow
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

SAME_EVENT, SAME_SESSION = 0.65, 0.80
"""Minimum cosine for two wordings to be one derivation: from the same event, or from anywhere in the same session.

Measured on 133 items of 46 real sessions: half of an item's text under another title is at .65 or above for 96 %. But so are 13 of 43
pairs of different items of one event: hence one wording matches one candidate at most, the nearest, and none while its own is still found.
"""
MAX_PINNED = 2_000
"""Rows read of a project's corrected or judged items and their evidence; of the evidence the newest."""
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


def digest(words: str) -> bytes:
    """Return the SHA-256 of a text, ignoring case and white space."""
    return hashlib.sha256(" ".join(words.casefold().split()).encode()).digest()


def numbers(words: str) -> list[str]:
    """Return the distinct numbers in a text: two ports differ, though their vectors hardly do."""
    return sorted(set(_NUMBER.findall(words)))


@dataclass(frozen=True, slots=True)
class WordingOrigin:
    """The source of one wording that a person decided on. `item`: the item it belongs to; None: a person deleted it."""

    session_id: UUID
    event_id: str
    digest: bytes
    numbers: frozenset[str]
    vector: Vector
    item: UUID | None = None
    claimed: bool = False
    """Extraction still finds this very candidate, so no other candidate is a rewording of it."""


Found = tuple[ItemCandidate, Vector]


@dataclass(slots=True)
class PastDecisions:
    """People's decisions in a project, as far as they may concern a session's new candidates. Valid while the project's lock is held."""

    forgotten: Sequence[WordingOrigin] = ()
    pinned: Sequence[WordingOrigin] = ()
    siblings: Sequence[Found] = ()
    """The session's new candidates, which compete for a wording."""
    _pinned_evidence: Sequence[AnyRow] = field(default_factory=tuple)
    _hidden_items: Sequence[AnyRow] = field(default_factory=tuple)

    @classmethod
    async def read(
        cls, connection: AsyncConnection, session_id: UUID, project_id: UUID, found: Sequence[Found], *, keys: Collection[str]
    ) -> PastDecisions:
        """Read the decisions that concern the new candidates `found`. `keys`: of all candidates that the session has now."""
        if not found:
            return cls()
        candidates = [candidate for candidate, _ in found]
        digests = [digest(item_text(each.title, each.text)) for each in candidates]
        events = [each.event_id for each in candidates]
        here = or_(ForgottenRow.session_id == session_id, ForgottenRow.event_id.in_(events), ForgottenRow.digest.in_(digests))
        gone = await connection.execute(
            select(ForgottenRow.__table__).where(ForgottenRow.project_id == project_id, ForgottenRow.embedding.is_not(None), here)
        )
        pinned = (
            await connection.execute(
                select(EvidenceRow.__table__)
                .join(ItemRow, ItemRow.id == EvidenceRow.knowledge_id)
                .where(ItemRow.project_id == project_id, ItemRow.id.in_(_pinned_in(project_id)))
                .order_by(EvidenceRow.created_at.desc(), EvidenceRow.id)
                .limit(MAX_PINNED)
            )
        ).all()
        hidden = await connection.execute(
            select(*_ITEM).where(ItemRow.project_id == project_id, PINNED, ItemRow.hidden).order_by(ItemRow.id).limit(MAX_PINNED)
        )

        def claimed(row: AnyRow) -> bool:
            return row.session_id == session_id and row.candidate_key in keys

        tombstones = [replace(_tombstone(row), claimed=claimed(row)) for row in gone]
        origins = [replace(_origin(row), claimed=claimed(row)) for row in pinned]
        return cls(tombstones, origins, found, pinned, hidden.all())

    def was_deleted(self, session_id: UUID, candidate: ItemCandidate, vector: Vector) -> bool:
        """Tell whether a person deleted what this candidate says."""
        return _match(self.forgotten, session_id, candidate, vector, self.siblings) is not None

    def item_of(self, session_id: UUID, candidate: ItemCandidate, vector: Vector) -> UUID | None:
        """Return the item that a person corrected, hid, found helpful or decided about, and that this candidate rewords; else None."""
        found = _match(self.pinned, session_id, candidate, vector, self.siblings)
        return None if found is None else found.item

    def extend(self, neighbourhood: Neighbourhood) -> None:
        """Add the original words of corrected items, and the words of hidden ones, so that other sessions' equivalents merge into them."""
        for row in self._pinned_evidence:
            neighbourhood.add(row.knowledge_id, item_text(row.title, row.text), unpack(row.embedding), long_form_of(row))
        for row in self._hidden_items:
            neighbourhood.add(row.id, item_text(row.title, row.text), unpack(row.embedding), long_form_of(row))


async def pinned_among(connection: AsyncConnection, items: Sequence[UUID]) -> set[UUID]:
    """Return the items that people corrected, hid, found helpful or decided about (`decisions`).

    They keep their evidence even if extraction no longer finds it.
    """
    pinned = or_(PINNED, is_decided(ItemRow.id))
    return set(await connection.scalars(select(ItemRow.id).where(ItemRow.id.in_(items), pinned))) if items else set()


async def write_tombstones(connection: AsyncConnection, item_id: UUID, project_id: UUID) -> None:
    """Write a tombstone for each piece of an item's evidence, in the transaction that deletes the item."""
    evidence = await connection.execute(select(EvidenceRow.__table__).where(EvidenceRow.knowledge_id == item_id))
    tombstones = [
        {
            "session_id": row.session_id,
            "candidate_key": row.candidate_key,
            "project_id": project_id,
            "event_id": row.event_id,
            "digest": digest(item_text(row.title, row.text)),
            "numbers": numbers(item_text(row.title, row.text)),
            "embedding": row.embedding,
            "embedding_model": row.embedding_model,
        }
        for row in evidence
    ]
    if tombstones:
        await connection.execute(upsert(ForgottenRow).on_conflict_do_nothing(), tombstones)


async def move_decisions(connection: AsyncConnection, project_id: UUID, into: UUID) -> None:
    """Move tombstones to another project. A text recorded in both stays two items, one of which gives up its unique `recorded_key`."""
    await connection.execute(update(ForgottenRow).where(ForgottenRow.project_id == project_id).values(project_id=into))
    there = select(ItemRow.recorded_key).where(ItemRow.project_id == into, ItemRow.recorded_key.is_not(None))
    twice = (ItemRow.project_id == project_id, ItemRow.recorded_key.in_(there))
    await connection.execute(update(ItemRow).where(*twice).values(recorded_key=None))


async def lift_corrections(connection: AsyncConnection, session_id: UUID) -> None:
    """Lift corrections before a purge of a session, so that no corrected item keeps the purged session's words.

    Items that other sessions taught too get those sessions' words, unless people wrote both the title and the text.
    """
    touched = select(EvidenceRow.knowledge_id).where(EvidenceRow.session_id == session_id)
    corrected = (ItemRow.id.in_(touched), ItemRow.origin == "extracted", ItemRow.corrected_at.is_not(None))
    await connection.execute(update(ItemRow).where(*corrected, ~_fully_rewritten()).values(corrected_at=None, worded_at=None))


def _fully_rewritten() -> ColumnElement[bool]:
    def wrote(column: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
        return select(RevisionRow.id).where(RevisionRow.knowledge_id == ItemRow.id, column.is_not(None)).exists()

    return wrote(RevisionRow.title) & wrote(RevisionRow.text)


def _match(
    origins: Sequence[WordingOrigin], session_id: UUID, candidate: ItemCandidate, vector: Vector, siblings: Sequence[Found]
) -> WordingOrigin | None:
    """Return the nearest of the origins that match the candidate and aren't nearer to one of its siblings; None if none is."""
    words = item_text(candidate.title, candidate.text)
    own_digest, own_numbers = digest(words), frozenset(numbers(words))
    nearest, best = None, 0.0
    for origin in origins:
        if origin.digest == own_digest:
            return origin
        if origin.claimed:
            continue
        same_session = origin.session_id == session_id
        least = SAME_EVENT if origin.event_id == candidate.event_id else SAME_SESSION
        if not same_session and (origin.event_id != candidate.event_id or not _GLOBALLY_UNIQUE_ID.match(origin.event_id)):
            continue  # in another session, event "1" is another event; a UUID or a digest is a copy of this one
        if own_numbers - origin.numbers and origin.numbers - own_numbers:
            continue
        cosine = float(origin.vector @ vector)
        nearer = any(
            each.key != candidate.key and each.event_id == origin.event_id and float(origin.vector @ other) > cosine
            for each, other in siblings
        )
        if cosine >= least and cosine > best and not nearer:
            nearest, best = origin, cosine
    return nearest


def _tombstone(row: AnyRow) -> WordingOrigin:
    return WordingOrigin(row.session_id, row.event_id, row.digest, frozenset(row.numbers), unpack(row.embedding))


def _origin(row: AnyRow) -> WordingOrigin:
    words = item_text(row.title, row.text)
    return WordingOrigin(row.session_id, row.event_id, digest(words), frozenset(numbers(words)), unpack(row.embedding), row.knowledge_id)


_GLOBALLY_UNIQUE_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{24}", re.IGNORECASE)
_ITEM = (
    ItemRow.id, ItemRow.title, ItemRow.text, ItemRow.embedding, ItemRow.long_embedding, ItemRow.long_embedding_model,
)  # fmt: skip
PINNED = or_(ItemRow.corrected_at.is_not(None), ItemRow.hidden, ItemRow.helpful > 0)
"""The predicate of the index `ix_knowledge_pinned`: keep the two alike."""


def _pinned_in(project_id: UUID) -> CompoundSelect[UUID]:
    return union(select(ItemRow.id).where(ItemRow.project_id == project_id, PINNED), decided_items())
