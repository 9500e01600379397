"""Rows of knowledge: items with the evidence each rests on, passages with their places, and the outbox that feeds the vector store.

Read and written only in this room. Every index is named in docs/database/ with the query it serves.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class Knowledge(Base):
    """What was learnt: the elected view of its evidence.

    `embedding`: little-endian float32 × 384 of title and text (model in `embedding_model`); the vector store is rebuilt from it.
    `long_embedding`: float32 × 1536 where that is longer than the model reads at once. No `long_embedding_model`: nobody has looked yet.
    `created_at`: when it was first learnt (the transcript's time); `last_seen_at`: when it was last learnt again.
    `origin`: `recorded` is what a person wrote down, with or without evidence; `recorded_key`: SHA-256 of its text (`derivations.digest`):
    the same text is one item. `corrected_at`: a person worded it anew; its words are theirs since, whatever its sessions say.
    `helpful`, `wrong`, `stale`: how many people judged so (`Feedback`); `hidden`: judged wrong by two, or by its author.
    """

    __tablename__ = "knowledge"
    __table_args__ = (
        CheckConstraint("freshness in ('fresh', 'aging', 'stale', 'deprecated')", name="freshness_known"),
        CheckConstraint("confidence >= 0 and confidence <= 1", name="confidence_in_unit"),
        CheckConstraint("origin in ('extracted', 'recorded')", name="origin_known"),
        Index("ix_knowledge_team_type_created", "team_id", "type", text("created_at desc"), postgresql_include=["title"]),
        Index("ix_knowledge_project_freshness", "project_id", "freshness", postgresql_include=["type", "last_seen_at"]),
        Index("ix_knowledge_team_intent_confidence", "team_id", "intent", text("confidence desc"), postgresql_include=["title"]),
        Index(
            "ix_knowledge_not_stale",
            "team_id",
            "project_id",
            text("last_seen_at desc"),
            postgresql_where=text("freshness in ('fresh', 'aging')"),
        ),
        Index("ix_knowledge_search", "search", postgresql_using="gin"),
        Index("ix_knowledge_team_created", "team_id", text("created_at desc"), text("id desc")),
        Index("ix_knowledge_project_created", "project_id", text("created_at desc"), text("id desc")),
        Index("uq_knowledge_recorded", "project_id", "recorded_key", unique=True, postgresql_where=text("recorded_key is not null")),
        Index("ix_knowledge_pinned", "project_id", postgresql_where=text("corrected_at is not null or hidden or helpful > 0")),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    origin: Mapped[str] = mapped_column(server_default="extracted")
    type: Mapped[str]
    intent: Mapped[str | None]
    title: Mapped[str]
    text: Mapped[str]
    confidence: Mapped[float]
    freshness: Mapped[str] = mapped_column(server_default="fresh")
    evidence_count: Mapped[int] = mapped_column(server_default="1")
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    embedding_model: Mapped[str]
    long_embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
    long_embedding_model: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    search: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('simple', title || ' ' || text)", persisted=True))
    paths: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    recorded_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    corrected_at: Mapped[datetime | None]
    helpful: Mapped[int] = mapped_column(server_default="0")
    wrong: Mapped[int] = mapped_column(server_default="0")
    stale: Mapped[int] = mapped_column(server_default="0")
    hidden: Mapped[bool] = mapped_column(server_default=false())


class Evidence(Base):
    """One time that it was learnt: what was said, where. The rows of an item are also the history of its merges."""

    __tablename__ = "knowledge_evidence"
    __table_args__ = (
        Index("uq_knowledge_evidence_key", "session_id", "candidate_key", unique=True),
        Index("ix_knowledge_evidence_knowledge_id", "knowledge_id"),
    )

    id: Mapped[Id]
    knowledge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    candidate_key: Mapped[str]
    event_id: Mapped[str]
    locator: Mapped[str]
    transcript: Mapped[str]
    excerpt: Mapped[str]
    type: Mapped[str]
    intent: Mapped[str | None]
    title: Mapped[str]
    text: Mapped[str]
    confidence: Mapped[float]
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    embedding_model: Mapped[str]
    long_embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
    long_embedding_model: Mapped[str | None]
    at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Forgotten(Base):
    """A tombstone: a candidate whose item a person deleted. Extracting its session again, by whatever version, must not bring it back.

    Another version has other keys and other words: it is told by `event_id`, `numbers` and `embedding` (the evidence's) then, and in other
    sessions of the project by `digest` (`derivations.digest` of the words). Null: deleted before these were kept.
    """

    __tablename__ = "knowledge_forgotten"
    __table_args__ = (Index("ix_knowledge_forgotten_project_id", "project_id"),)

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    candidate_key: Mapped[str] = mapped_column(primary_key=True)
    forgotten_at: Mapped[CreatedAt]
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    event_id: Mapped[str | None]
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    numbers: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
    embedding_model: Mapped[str | None]


class Revision(Base):
    """What a person wrote of an item: all of it when it was recorded, what was changed when it was corrected (null: it wasn't).

    Nothing of a session stands here. `developer_id` null: an admin (`by_admin`), or somebody who is no longer there.
    """

    __tablename__ = "knowledge_revisions"
    __table_args__ = (
        CheckConstraint("action in ('recorded', 'corrected')", name="action_known"),
        Index("ix_knowledge_revisions_knowledge_id", "knowledge_id", text("id desc")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    knowledge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    by_admin: Mapped[bool]
    action: Mapped[str]
    type: Mapped[str | None]
    title: Mapped[str | None]
    text: Mapped[str | None]
    paths: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    at: Mapped[CreatedAt]


class Feedback(Base):
    """One person's verdict on an item, the latest. Whose developer is gone keeps counting, without a name; all admins are one person."""

    __tablename__ = "knowledge_feedback"
    __table_args__ = (
        CheckConstraint("verdict in ('helpful', 'wrong', 'stale')", name="verdict_known"),
        Index("uq_knowledge_feedback_developer", "knowledge_id", "developer_id", unique=True, postgresql_where=text("not by_admin")),
        Index("uq_knowledge_feedback_admin", "knowledge_id", unique=True, postgresql_where=text("by_admin")),
    )

    id: Mapped[Id]
    knowledge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    by_admin: Mapped[bool]
    verdict: Mapped[str]
    note: Mapped[str]
    at: Mapped[CreatedAt]


class PassageRow(Base):
    """A piece of what was said in a project, once, however often it was said: `PassagePlace` tells where.

    `key`: SHA-256 of its words (`passages.passage.Passage.key`), 32 bytes. `tokens`: of `text` under its heading. `terms`: its lexical
    terms' hashes as signed 32-bit numbers, ascending: what PostgreSQL is asked for while the vector store is away. `embedding`:
    see `neighbours.pack_half`. `late`: packed token vectors (`embeddings.late_interaction`). `made_by`: the model and the
    projection's version that made all of these; another one makes them anew.
    """

    __tablename__ = "passages"
    __table_args__ = (
        Index("uq_passages_key", "project_id", "key", unique=True),
        Index("ix_passages_terms", "terms", postgresql_using="gin"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    key: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str]
    heading: Mapped[str]
    tokens: Mapped[int]
    terms: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    made_by: Mapped[str]
    late: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


class PassagePlace(Base):
    """One place where a passage was said: the `number`-th piece, from 0, of the session's event `seq`.

    `ordinal`: among the session's passages, from 0; `exchange`: the number of its prompt. `kind`: see `passages.passage.SourceKind`.
    `prompt`: the beginning of the prompt that it answers; empty for a prompt itself. `locator`, `at`: of its event; `at` is when the
    session began where the event has none.
    """

    __tablename__ = "passage_places"
    __table_args__ = (
        Index("ix_passage_places_ordinal", "session_id", "ordinal"),
        Index("ix_passage_places_newest", "passage_id", text("at desc nulls last")),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    ordinal: Mapped[int]
    passage_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("passages.id", ondelete="CASCADE"))
    exchange: Mapped[int]
    locator: Mapped[str]
    at: Mapped[datetime | None]
    role: Mapped[str]
    kind: Mapped[str]
    sidechain: Mapped[bool]
    prompt: Mapped[str]
    files: Mapped[list[str]] = mapped_column(ARRAY(Text))


class PassageCut(Base):
    """What the cutting of a session knows after the event `seq` (`passages.cut.CutState`): from there it goes on."""

    __tablename__ = "passage_cuts"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]]


class OutboxRow(Base):
    """ "This point of the index changed": an item or a passage; written in its own transaction, drained into the vector store in any order.

    No foreign key: what is deleted still has to leave the index. Drained rows are kept for a while, for a re-index to catch up from.
    """

    __tablename__ = "index_outbox"
    __table_args__ = (
        Index("ix_index_outbox_pending", "id", postgresql_where=text("drained_at is null")),
        Index("ix_index_outbox_drained", "drained_at", postgresql_where=text("drained_at is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    point_id: Mapped[uuid.UUID]
    project_id: Mapped[uuid.UUID | None]
    created_at: Mapped[CreatedAt]
    drained_at: Mapped[datetime | None]


class Version(Base):
    """The state of a project's knowledge: another value after every change, and again once the index has heard of it.

    At random and without a foreign key: a value that was seen once must never come back, not by deleting, restoring or failing over.
    The nil project stands for all (`changes.EVERYWHERE`).
    """

    __tablename__ = "knowledge_versions"
    __table_args__ = (Index("ix_knowledge_versions_team_id", "team_id"),)

    project_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID]
    version: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())


class UnansweredRow(Base):
    """A question that nothing was found for, redacted; so many of a team, for so long."""

    __tablename__ = "knowledge_unanswered"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    question: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int] = mapped_column(server_default="1")
    last_at: Mapped[CreatedAt]
