"""What people settled about extracted knowledge, held against what extraction finds now: deleted stays deleted, corrected stays corrected.

Extraction changes: another version has other keys, other words, and may cite another place of the session. So a candidate is recognised as
the one that a person deleted, corrected or judged by its derivation: the same event and much the same meaning, or the same words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.knowledge.item import Candidate
from app.knowledge.neighbours import Neighbourhood, unpack, whole_of, wording
from app.knowledge.tables import Evidence, Forgotten, Knowledge, Revision
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

SAME_EVENT, SAME_SESSION = 0.65, 0.80
"""The cosine from which two wordings are one derivation, taken from the same event, or from anywhere in the same session.

Measured on 133 items of 46 real sessions: half of an item's text under another title is at .65 or above for 96 %. Of 43 pairs of items of
one event, 13 are at .65 or above too: so one wording takes one candidate at most, the nearest, and none once its own is still found.
"""
MAX_PINNED = 2_000
"""Evidence that is read of a project's items that people corrected or judged: the newest."""
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


def digest(words: str) -> bytes:
    """SHA-256 of words, whatever their case and their spaces."""
    return hashlib.sha256(" ".join(words.casefold().split()).encode()).digest()


def numbers(words: str) -> list[str]:
    """The numbers in a text, each once: one port isn't another, though they look alike to a vector."""
    return sorted(set(_NUMBER.findall(words)))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one wording came from, and what it said. `item`: whose it is; None: a person deleted it."""

    session_id: UUID
    event_id: str
    digest: bytes
    numbers: frozenset[str]
    vector: Vector
    item: UUID | None = None
    claimed: bool = False
    """Extraction still finds the very candidate: no other one is another wording of it."""


Found = tuple[Candidate, Vector]


@dataclass(slots=True)
class Settled:
    """What people settled in a project, as far as a session's new candidates may touch it. Valid while the project is held."""

    forgotten: Sequence[Origin] = ()
    pinned: Sequence[Origin] = ()
    siblings: Sequence[Found] = ()
    """What else the session newly teaches."""
    _rows: Sequence[AnyRow] = field(default_factory=tuple)
    _hidden: Sequence[AnyRow] = field(default_factory=tuple)

    @classmethod
    async def read(
        cls, connection: AsyncConnection, session_id: UUID, project_id: UUID, found: Sequence[Found], *, keys: Collection[str]
    ) -> Settled:
        """Read it for the candidates that the session didn't teach before. `keys`: of all that extraction finds in the session now."""
        if not found:
            return cls()
        candidates = [candidate for candidate, _ in found]
        digests = [digest(wording(each.title, each.text)) for each in candidates]
        events = [each.event_id for each in candidates]
        here = or_(Forgotten.session_id == session_id, Forgotten.event_id.in_(events), Forgotten.digest.in_(digests))
        gone = await connection.execute(
            select(Forgotten.__table__).where(Forgotten.project_id == project_id, Forgotten.embedding.is_not(None), here)
        )
        pinned = (
            await connection.execute(
                select(Evidence.__table__)
                .join(Knowledge, Knowledge.id == Evidence.knowledge_id)
                .where(Knowledge.project_id == project_id, PINNED)
                .order_by(Evidence.created_at.desc(), Evidence.id)
                .limit(MAX_PINNED)
            )
        ).all()
        hidden = await connection.execute(
            select(*_ITEM).where(Knowledge.project_id == project_id, PINNED, Knowledge.hidden).order_by(Knowledge.id).limit(MAX_PINNED)
        )

        def claimed(row: AnyRow) -> bool:
            return row.session_id == session_id and row.candidate_key in keys

        tombstones = [replace(_tombstone(row), claimed=claimed(row)) for row in gone]
        origins = [replace(_origin(row), claimed=claimed(row)) for row in pinned]
        return cls(tombstones, origins, found, pinned, hidden.all())

    def forgets(self, session_id: UUID, candidate: Candidate, vector: Vector) -> bool:
        """Tell whether a person deleted what this candidate says."""
        return _match(self.forgotten, session_id, candidate, vector, self.siblings) is not None

    def item_of(self, session_id: UUID, candidate: Candidate, vector: Vector) -> UUID | None:
        """The item that a person corrected, hid or found helpful, and that this candidate is another wording of."""
        found = _match(self.pinned, session_id, candidate, vector, self.siblings)
        return None if found is None else found.item

    def widen(self, neighbourhood: Neighbourhood) -> None:
        """Let other sessions' twins be recognised by what a corrected item said before, and by what a hidden one says."""
        for row in self._rows:
            neighbourhood.add(row.knowledge_id, wording(row.title, row.text), unpack(row.embedding), whole_of(row))
        for row in self._hidden:
            neighbourhood.add(row.id, wording(row.title, row.text), unpack(row.embedding), whole_of(row))


async def pinned_among(connection: AsyncConnection, items: Sequence[UUID]) -> set[UUID]:
    """Those that stay, with their evidence, when extraction no longer finds them: people corrected them, hid them or found them helpful."""
    return set(await connection.scalars(select(Knowledge.id).where(Knowledge.id.in_(items), PINNED))) if items else set()


async def bury(connection: AsyncConnection, item_id: UUID, project_id: UUID) -> None:
    """Leave a tombstone for each time that an item was learnt, in the transaction that deletes it."""
    evidence = await connection.execute(select(Evidence.__table__).where(Evidence.knowledge_id == item_id))
    tombstones = [
        {
            "session_id": row.session_id,
            "candidate_key": row.candidate_key,
            "project_id": project_id,
            "event_id": row.event_id,
            "digest": digest(wording(row.title, row.text)),
            "numbers": numbers(wording(row.title, row.text)),
            "embedding": row.embedding,
            "embedding_model": row.embedding_model,
        }
        for row in evidence
    ]
    if tombstones:
        await connection.execute(upsert(Forgotten).on_conflict_do_nothing(), tombstones)


async def move(connection: AsyncConnection, project_id: UUID, into: UUID) -> None:
    """Tombstones go with their project; a text that both projects recorded stays two items, of which one no longer answers for it."""
    await connection.execute(update(Forgotten).where(Forgotten.project_id == project_id).values(project_id=into))
    there = select(Knowledge.recorded_key).where(Knowledge.project_id == into, Knowledge.recorded_key.is_not(None))
    twice = (Knowledge.project_id == project_id, Knowledge.recorded_key.in_(there))
    await connection.execute(update(Knowledge).where(*twice).values(recorded_key=None))


async def lift_corrections(connection: AsyncConnection, session_id: UUID) -> None:
    """A purge, before it takes a session's evidence: no item keeps words of it because a person corrected the rest.

    An item that other sessions taught too is worded by them again, unless people wrote both its title and its text.
    """
    touched = select(Evidence.knowledge_id).where(Evidence.session_id == session_id)
    corrected = (Knowledge.id.in_(touched), Knowledge.origin == "extracted", Knowledge.corrected_at.is_not(None))
    await connection.execute(update(Knowledge).where(*corrected, ~_wholly_theirs()).values(corrected_at=None))


def _wholly_theirs() -> ColumnElement[bool]:
    def wrote(column: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
        return select(Revision.id).where(Revision.knowledge_id == Knowledge.id, column.is_not(None)).exists()

    return wrote(Revision.title) & wrote(Revision.text)


def _match(origins: Sequence[Origin], session_id: UUID, candidate: Candidate, vector: Vector, siblings: Sequence[Found]) -> Origin | None:
    """The nearest of those that are this candidate's derivation, and nobody else's rather."""
    words = wording(candidate.title, candidate.text)
    same, said = digest(words), frozenset(numbers(words))
    nearest, best = None, 0.0
    for origin in origins:
        if origin.digest == same:
            return origin
        if origin.claimed:
            continue
        ours = origin.session_id == session_id
        least = SAME_EVENT if origin.event_id == candidate.event_id else SAME_SESSION
        if not ours and (origin.event_id != candidate.event_id or not _OWN_ID.match(origin.event_id)):
            continue  # elsewhere "1" is another event; a UUID or a digest is a copy of the same one
        if said - origin.numbers and origin.numbers - said:
            continue
        cosine = float(origin.vector @ vector)
        nearer = any(
            each.key != candidate.key and each.event_id == origin.event_id and float(origin.vector @ other) > cosine
            for each, other in siblings
        )
        if cosine >= least and cosine > best and not nearer:
            nearest, best = origin, cosine
    return nearest


def _tombstone(row: AnyRow) -> Origin:
    return Origin(row.session_id, row.event_id, row.digest, frozenset(row.numbers), unpack(row.embedding))


def _origin(row: AnyRow) -> Origin:
    words = wording(row.title, row.text)
    return Origin(row.session_id, row.event_id, digest(words), frozenset(numbers(words)), unpack(row.embedding), row.knowledge_id)


_OWN_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{24}", re.IGNORECASE)
_ITEM = (
    Knowledge.id, Knowledge.title, Knowledge.text, Knowledge.embedding, Knowledge.long_embedding, Knowledge.long_embedding_model,
)  # fmt: skip
PINNED = or_(Knowledge.corrected_at.is_not(None), Knowledge.hidden, Knowledge.helpful > 0)
"""As `ix_knowledge_pinned` has it."""
