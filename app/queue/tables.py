"""Rows of the queue. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class JobRow(Base):
    """One unit of durable work.

    `lane`: jobs with the same lane run one at a time, oldest first (null: no such limit).
    `idempotency_key`: a second enqueue with the same key while the first still waits returns the first.
    `priority`: a smaller number goes first (`jobs.LIVE`, `NORMAL`, `LOW`).
    `lease_until`: a running job whose lease has expired may be claimed by another worker.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="state_known"),
        UniqueConstraint("idempotency_key"),
        Index("ix_jobs_ready", "run_at", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_priority", "priority", "run_at", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_lane", "lane", "created_at", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_team_created", "team_id", "created_at", "id"),
        Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at is not null")),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    team_id: Mapped[uuid.UUID | None]
    developer_id: Mapped[uuid.UUID | None]
    lane: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    progress_done: Mapped[int] = mapped_column(server_default="0")
    progress_total: Mapped[int] = mapped_column(server_default="0")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class MessageRow(Base):
    """A message between agents, kept until its channel is trimmed. `recipient`: the only group that receives it (null: every group).

    `payload`: redacted JSON text. Like jobs, without a foreign key to accounts, which this room doesn't know.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_place", "team_id", "channel", "id"),
        Index("ix_messages_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    team_id: Mapped[uuid.UUID]
    channel: Mapped[str]
    sender: Mapped[str]
    type: Mapped[str]
    recipient: Mapped[str | None]
    payload: Mapped[str]
    at: Mapped[CreatedAt]


class MessageGroupRow(Base):
    """A consumer group of a channel. `seen_at`: when it last received, to within an hour."""

    __tablename__ = "message_groups"
    __table_args__ = (UniqueConstraint("team_id", "channel", "name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    team_id: Mapped[uuid.UUID]
    channel: Mapped[str]
    name: Mapped[str]
    seen_at: Mapped[CreatedAt]


class MessageDeliveryRow(Base):
    """A message that a group has yet to acknowledge, leased to `consumer` until `visible_at`."""

    __tablename__ = "message_deliveries"
    __table_args__ = (
        Index("ix_message_deliveries_due", "group_id", "visible_at", "message_id"),
        Index("ix_message_deliveries_message_id", "message_id"),
    )

    group_id: Mapped[int] = mapped_column(ForeignKey("message_groups.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    visible_at: Mapped[CreatedAt]
    consumer: Mapped[str | None]
    deliveries: Mapped[int] = mapped_column(server_default="0")


class DeadMessageRow(Base):
    """A dead letter: a copy of a message delivered too often without an acknowledgement; trimming the channel doesn't delete it."""

    __tablename__ = "message_dead_letters"
    __table_args__ = (
        Index("ix_message_dead_letters_place", "team_id", "channel", text("id desc")),
        Index("ix_message_dead_letters_died_at", "died_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message_id: Mapped[int] = mapped_column(BigInteger)
    team_id: Mapped[uuid.UUID]
    channel: Mapped[str]
    group_name: Mapped[str]
    consumer: Mapped[str]
    deliveries: Mapped[int]
    sender: Mapped[str]
    type: Mapped[str]
    recipient: Mapped[str | None]
    payload: Mapped[str]
    at: Mapped[datetime]
    died_at: Mapped[CreatedAt]


class NoticeRow(Base):
    """An outbox entry. `next_at`: when it is posted next; null: delivered, or given up."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_due", "next_at", postgresql_where=text("next_at is not null")),)

    id: Mapped[Id]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
