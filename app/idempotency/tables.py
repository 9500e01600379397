"""The table of idempotency keys. Read and written only in this room."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt


class IdempotencyKeyRow(Base):
    """A request that was sent with a key. `owner`: a developer's id, or "admin". `status` null: its reply isn't known yet.

    `effect_at`: when it had its effect, written in the effect's own transaction; `made`: the id of what it made.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    claim: Mapped[UUID]
    claimed_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    effect_at: Mapped[datetime | None]
    made: Mapped[str | None]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
