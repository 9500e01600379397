"""Rows of the queue. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class Job(Base):
    """One unit of durable work.

    `lane`: jobs with the same lane run one at a time, oldest first (null: no such limit).
    `idempotency_key`: a second enqueue with the same key while the first still waits returns the first.
    `lease_until`: a running job whose lease has passed belongs to nobody and is taken over.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="state_known"),
        UniqueConstraint("idempotency_key"),
        Index("ix_jobs_ready", "run_at", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_lane", "lane", "created_at", postgresql_where=text("state in ('queued', 'running')")),
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
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    progress_done: Mapped[int] = mapped_column(server_default="0")
    progress_total: Mapped[int] = mapped_column(server_default="0")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
