"""Rows of roll-ups and alerts. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class RollupMinute(Base):
    """One process's measures in one minute. The process (`source`) rewrites the whole row until the minute ends.

    `data`: as `rollup_values.pack` encodes it.
    """

    __tablename__ = "rollup_minutes"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    written_at: Mapped[CreatedAt]


class RollupSpan(Base):
    """All processes' measures in ten minutes or an hour, merged (`downsampling.py`); made again when a row below it changes."""

    __tablename__ = "rollup_spans"

    seconds: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[CreatedAt]


class AlertStateRow(Base):
    """An alert that is pending or firing. `key`: its labels as text. `quiet_since`: when a firing alert's value was back beyond `clear`.

    `first`, `peak`: of a firing alert, the value when it began and the one farthest past the threshold. `ends`: what ends it, in words.
    """

    __tablename__ = "alert_states"
    __table_args__ = (CheckConstraint("state in ('pending', 'firing')", name="state_known"),)

    rule: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[dict[str, Any]]
    state: Mapped[str]
    since: Mapped[datetime]
    quiet_since: Mapped[datetime | None]
    value: Mapped[float]
    first: Mapped[float | None]
    peak: Mapped[float | None]
    severity: Mapped[str]
    summary: Mapped[str]
    ends: Mapped[str] = mapped_column(server_default="")


class AlertHistoryRow(Base):
    """A resolved alert. `peak`: its value farthest past the threshold; null: resolved before it was recorded."""

    __tablename__ = "alert_history"
    __table_args__ = (Index("ix_alert_history_resolved_at", text("resolved_at desc")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    rule: Mapped[str]
    labels: Mapped[dict[str, Any]]
    severity: Mapped[str]
    summary: Mapped[str]
    peak: Mapped[float | None]
    fired_at: Mapped[datetime]
    resolved_at: Mapped[datetime]


class BudgetAlert(Base):
    """An alert about a budget, raised once per subject, period and rule: the unique constraint decides between processes."""

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
    """A lock by which one server at a time evaluates the rules, or posts the digest; `at`: when any server last did."""

    __tablename__ = "alert_turns"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
