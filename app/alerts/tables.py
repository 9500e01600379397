"""Rows of the roll-ups and of the alerts. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class RollupMinute(Base):
    """One process's minute. Written again by its process until the minute is over, each time whole.

    `data`: see `rollup.packed`.
    """

    __tablename__ = "rollup_minutes"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    written_at: Mapped[CreatedAt]


class RollupSpan(Base):
    """Ten minutes, or an hour, of all processes merged. Made from the minutes, and made again when one of them comes late."""

    __tablename__ = "rollup_spans"

    seconds: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[CreatedAt]


class AlertStateRow(Base):
    """An alert that is pending or firing. `quiet_since`: firing, and back beyond `clear` since then."""

    __tablename__ = "alert_states"
    __table_args__ = (CheckConstraint("state in ('pending', 'firing')", name="state_known"),)

    rule: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[dict[str, Any]]
    state: Mapped[str]
    since: Mapped[datetime]
    quiet_since: Mapped[datetime | None]
    value: Mapped[float]
    severity: Mapped[str]
    summary: Mapped[str]


class AlertHistoryRow(Base):
    """An alert that is resolved."""

    __tablename__ = "alert_history"
    __table_args__ = (Index("ix_alert_history_resolved_at", text("resolved_at desc")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    rule: Mapped[str]
    labels: Mapped[dict[str, Any]]
    severity: Mapped[str]
    summary: Mapped[str]
    fired_at: Mapped[datetime]
    resolved_at: Mapped[datetime]


class BudgetAlert(Base):
    """An alert of a budget, sent once per subject, period and rule: the unique constraint decides between servers."""

    __tablename__ = "budget_alerts"
    __table_args__ = (UniqueConstraint("subject_id", "period_start", "rule"),)

    id: Mapped[Id]
    subject: Mapped[str]
    subject_id: Mapped[uuid.UUID]
    period_start: Mapped[datetime]
    rule: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class EvaluationTurn(Base):
    """The row that an evaluating server locks; `at`: when rules were last evaluated, by whichever server."""

    __tablename__ = "alert_turns"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
