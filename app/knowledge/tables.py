"""Tables of knowledge: items with their evidence and what is known of them, and the outbox that feeds the vector store.

Read and written only in this room. docs/database/ names every index with the query it serves.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, LargeBinary, Text, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class ItemRow(Base):
    """A knowledge item: what sessions taught or a person recorded.

    Derived from its evidence by `merging`, unless a person wrote it. `embedding`: little-endian float32 × 384 of title and text, by
    `embedding_model`; the vector store can be rebuilt from it. `long_embedding`: float32 × 1536 where the text exceeds the model's window;
    `long_embedding_model` null: not computed yet.
    `created_at`: first learnt (the transcript's time); `last_seen_at`: last learnt again.
    `origin`: `recorded` was written down by a person, with or without evidence; `recorded_key`: SHA-256 of its text (`derivations.digest`),
    unique in the project. `corrected_at`: a person corrected it; its words no longer change with its evidence.
    `helpful`, `wrong`, `stale`: number of people with that verdict (`FeedbackRow`); `hidden`: judged wrong by two people or by its
    author, or retired by a lead.
    `code_verdict`: of all its `CodeMarkRow`s; null: its code wasn't checked.
    `subjects_version`: that of the code which found its subjects (`SubjectRow`) and links; with another one they are found anew.
    `worded_at`: a person last gave it words that say something else than before; null: its words are those that it was learnt with.
    `gives_up`: the values that its text says are given up (`supersession.statements`), casefolded.
    `wording`: SHA-256 of its words with a meaning (`standing.wording_digest`): equal ones say the same; null: too few words.
    `people`: those who stand by it (`confirming.count_people`).
    """

    __tablename__ = "knowledge"
    __table_args__ = (
        CheckConstraint("confidence >= 0 and confidence <= 1", name="confidence_in_unit"),
        CheckConstraint("code_verdict in ('fresh', 'changed', 'gone', 'unverifiable')", name="code_verdict_known"),
        CheckConstraint("origin in ('extracted', 'recorded')", name="origin_known"),
        Index("ix_knowledge_team_type_created", "team_id", "type", text("created_at desc"), postgresql_include=["title"]),
        Index("ix_knowledge_project_last_seen", "project_id", text("last_seen_at desc"), postgresql_include=["type"]),
        Index("ix_knowledge_team_intent_confidence", "team_id", "intent", text("confidence desc"), postgresql_include=["title"]),
        Index("ix_knowledge_search", "search", postgresql_using="gin"),
        Index("ix_knowledge_team_created", "team_id", text("created_at desc"), text("id desc")),
        Index("ix_knowledge_project_created", "project_id", text("created_at desc"), text("id desc")),
        Index("uq_knowledge_recorded", "project_id", "recorded_key", unique=True, postgresql_where=text("recorded_key is not null")),
        Index("ix_knowledge_gives_up", "project_id", postgresql_where=text("gives_up <> '{}'")),
        Index("ix_knowledge_wording", "team_id", "wording", postgresql_where=text("wording is not null")),
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
    code_verdict: Mapped[str | None]
    subjects_version: Mapped[int] = mapped_column(server_default="0")
    worded_at: Mapped[datetime | None]
    gives_up: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    wording: Mapped[bytes | None] = mapped_column(LargeBinary)
    people: Mapped[int] = mapped_column(server_default="0")


_UNSHOWN = {"search", "recorded_key", "subjects_version", "worded_at", "gives_up", "wording", "people"}
ITEM_COLUMNS = tuple(each for each in ItemRow.__table__.c if "embedding" not in each.name and each.name not in _UNSHOWN)
"""An item's columns but for what the index is made of, and bookkeeping."""


class EvidenceRow(Base):
    """One occurrence of an item in a session: the words and where they were said. An item's rows are also the history of its merges.

    `branch`: the session's when it was learnt; null: unknown. `developer_id`: whose session it is; null: an admin's, or unknown.
    `distilled`: a model worded it from the session's quoted words.
    """

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
    branch: Mapped[str | None]
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    distilled: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[CreatedAt]


_PLACE = (EvidenceRow.candidate_key, EvidenceRow.session_id, EvidenceRow.locator)
NEWEST_EVIDENCE = (EvidenceRow.at.desc().nulls_last(), *_PLACE)
OLDEST_EVIDENCE = (EvidenceRow.at.nulls_last(), *_PLACE)
"""The orders of an item's evidence. Total, because two sessions may have the same key and time: each reading must have the same order."""


class ForgottenRow(Base):
    """A tombstone: a candidate whose item a person deleted. Extracting its session again, with any version, must not bring it back.

    Another version makes other keys and words, so a candidate is also recognised by its evidence's `event_id`, `numbers` and `embedding`,
    and in the project's other sessions by `digest` (`derivations.digest` of the words). Null: deleted before these columns existed.
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


class RevisionRow(Base):
    """A person's version of an item: all fields when it was recorded, the changed ones when it was corrected (null: unchanged).

    Also that a lead retired it or brought it back, which changes no field: of these two actions the latest counts (`verdicts`).
    Holds no session's words. `developer_id` null: an admin (`by_admin`), or somebody who was removed.
    """

    __tablename__ = "knowledge_revisions"
    __table_args__ = (
        CheckConstraint("action in ('recorded', 'corrected', 'retired', 'reinstated')", name="action_known"),
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


class FeedbackRow(Base):
    """A person's latest verdict on an item. A removed developer's verdict still counts, without a name; all admins count as one person."""

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


class CodeMarkRow(Base):
    """The verdict on the code that an item speaks of, as last checked in a repository. The fields are those of `item.CodeMark`.

    `repository`: its identity (`accounts.identity`), else its folder's name. `developer_id` null: an admin, a worker or a removed person.
    """

    __tablename__ = "knowledge_code_marks"
    __table_args__ = (
        CheckConstraint("verdict in ('fresh', 'changed', 'gone', 'unverifiable')", name="verdict_known"),
        Index("ix_knowledge_code_marks_checked_at", "checked_at"),
    )

    knowledge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    repository: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    head: Mapped[str]
    path: Mapped[str | None]
    symbol: Mapped[str | None]
    former_path: Mapped[str | None]
    commit: Mapped[str | None]
    committed_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    checked_at: Mapped[CreatedAt]
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))


class UseRow(Base):
    """An item or a passage that a session was served and used, and whether the person accepted that.

    No foreign key to it: it may be either, and what is deleted was used all the same. `act`: how (`command`, `change` or `answer`);
    `locator`, `at`: of the event; `at` null: unknown. It counts no more once the item was corrected, nor if the session is its evidence
    (`use_counts`).
    """

    __tablename__ = "knowledge_uses"
    __table_args__ = (Index("ix_knowledge_uses_session_id", "session_id"),)

    knowledge_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    accepted: Mapped[bool]
    act: Mapped[str]
    transcript: Mapped[str]
    locator: Mapped[str]
    at: Mapped[datetime | None]
    noticed_at: Mapped[CreatedAt]


class OutboxRow(Base):
    """Transactional outbox: "this point of the index changed", written with the change, drained into the vector store in any order.

    No foreign key: a deleted row must still leave the index. Drained rows are kept for a while, for a rebuild to catch up from.
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


class VersionRow(Base):
    """A project's version: a new random value after every change of its knowledge, and again once the index has applied the change.

    Random and without a foreign key, so that a value never recurs after a delete, a restore or a failover. The nil project stands for all
    projects (`changes.ALL_PROJECTS`).
    """

    __tablename__ = "knowledge_versions"
    __table_args__ = (Index("ix_knowledge_versions_team_id", "team_id"),)

    project_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID]
    version: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())


class UnansweredRow(Base):
    """A question, redacted, that search found no answer to. Bounded in number and age a team (see `unanswered`).

    `project_id`: of the project that it was asked about; the nil project where it named none. No foreign key: projects aren't deleted.
    """

    __tablename__ = "knowledge_unanswered"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("'00000000-0000-0000-0000-000000000000'"))
    question: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int] = mapped_column(server_default="1")
    last_at: Mapped[CreatedAt]
