"""Rows of intents. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, false
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt


class PromptIntentRow(Base):
    """A prompt's intent, as the classifier tells it, and the runner-up. `made_by`: the classifier that told it.

    `sidechain`: an agent's prompt to a sub-agent, which opens no exchange.
    """

    __tablename__ = "prompt_intents"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    intent: Mapped[str]
    confidence: Mapped[float]
    second: Mapped[str]
    second_confidence: Mapped[float]
    made_by: Mapped[str]
    sidechain: Mapped[bool] = mapped_column(server_default=false())


class IntentCorrectionRow(Base):
    """A person's correction of a prompt's intent. Append-only, so that it is its own audit: a prompt's latest one holds.

    `told`: the intent before it; null: none was told yet. `corrected_by`: their name then; `developer_id` null: the admin key, or removed.
    """

    __tablename__ = "intent_corrections"
    __table_args__ = (
        CheckConstraint("seq > 0", name="seq_positive"),
        Index("ix_intent_corrections_prompt", "session_id", "seq", "id"),
        Index("ix_intent_corrections_team_id", "team_id", "id"),
        Index("ix_intent_corrections_developer_id", "developer_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    seq: Mapped[int]
    told: Mapped[str | None]
    intent: Mapped[str]
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    corrected_by: Mapped[str]
    corrected_at: Mapped[CreatedAt]


class IntentHeadRow(Base):
    """A team's latest trial of a head of its own, fitted on its corrections. `head`: float32; null: it wasn't kept, for the `reason`.

    `base`: digest of the shipped classifier that it corrects; another one's head is not used.
    """

    __tablename__ = "intent_heads"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    head: Mapped[bytes | None] = mapped_column(LargeBinary)
    base: Mapped[str]
    corrections: Mapped[int]
    members: Mapped[int]
    before: Mapped[float]
    after: Mapped[float]
    harm: Mapped[float]
    reason: Mapped[str]
    tried_at: Mapped[datetime]
