"""Rows of the ledger. Read and written only in this room, holds and settlements through the functions under sql/.

No foreign keys to accounts: the ledger is append-only and outlives whoever it names.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class StandingLimitRow(Base):
    """A subject's monthly limit, where one was set. `amount` null: no limit."""

    __tablename__ = "budget_limits"
    __table_args__ = (
        CheckConstraint("unit in ('nanousd', 'tokens')", name="unit_known"),
        CheckConstraint("amount >= 0", name="amount_positive"),
    )

    subject_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[CreatedAt]


class BalanceRow(Base):
    """A subject's month, in both units: the row that a hold locks. A limit of null: none. `added`: one-off top-ups.

    A key has one in the months in which it has, or had, a limit of its own: then everything of that month is counted in it.
    """

    __tablename__ = "budget_balances"
    __table_args__ = (
        CheckConstraint("subject in ('developer', 'team', 'key')", name="subject_known"),
        CheckConstraint("held_nanousd >= 0 and held_tokens >= 0", name="held_not_negative"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    subject_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    period_end: Mapped[datetime]
    subject: Mapped[str]
    limit_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    added_nanousd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    spent_nanousd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held_nanousd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    limit_tokens: Mapped[int | None] = mapped_column(BigInteger)
    spent_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class HoldRow(Base):
    """The worst case of one attempt, charged until its end is known. Ends once: settled, released, or unreconciled and then closed.

    `key_id`: the key that the call came with; null: the admin key's, and holds from before that was recorded.
    """

    __tablename__ = "budget_holds"
    __table_args__ = (
        CheckConstraint("nanousd >= 0 and tokens >= 0", name="not_negative"),
        CheckConstraint("state in ('held', 'settled', 'released', 'unreconciled')", name="state_known"),
        UniqueConstraint("request_id", "attempt"),
        Index("ix_budget_holds_open", "process_id", "created_at", postgresql_where=text("state = 'held'")),
        Index("ix_budget_holds_unreconciled_developer", "developer_id", "created_at", postgresql_where=text("state = 'unreconciled'")),
        Index("ix_budget_holds_unreconciled_team", "team_id", "created_at", postgresql_where=text("state = 'unreconciled'")),
    )

    id: Mapped[Id]
    request_id: Mapped[str]
    attempt: Mapped[int]
    developer_id: Mapped[uuid.UUID]
    team_id: Mapped[uuid.UUID]
    key_id: Mapped[uuid.UUID | None]
    period_start: Mapped[datetime]
    day: Mapped[date]
    process_id: Mapped[uuid.UUID]
    provider: Mapped[str]
    model: Mapped[str]
    nanousd: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default="held")
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]


class MovementRow(Base):
    """Append-only: every change of what is spent, and every change of a limit. `nanousd` and `tokens` are what spent changed by.

    `mark`: `usage` (the provider's figures), `counted` (ours), `partial` (the caller left), `overrun` (it cost more than its hold),
    `disputed` (it can't be true), `corrected` (by an admin). `corrects`: the id of the movement that this one sets right.
    `amount`: the new limit or the top-up, in `unit`.
    """

    __tablename__ = "budget_movements"
    __table_args__ = (
        CheckConstraint("kind in ('settle', 'unreconciled', 'reconcile', 'limit', 'top_up', 'correction')", name="kind_known"),
        Index("ix_budget_movements_developer", "developer_id", text("id desc")),
        Index("ix_budget_movements_team", "team_id", text("id desc")),
        Index("ix_budget_movements_limits", "team_id", text("id desc"), postgresql_where=text("kind in ('limit', 'top_up')")),
        Index("ix_budget_movements_corrects", "corrects", postgresql_where=text("corrects is not null")),
        Index("ix_budget_movements_period", "period_start", "developer_id", postgresql_include=["nanousd", "tokens"]),
        Index("ix_budget_movements_changed", "request_id", postgresql_where=text("kind in ('reconcile', 'correction')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[CreatedAt]
    kind: Mapped[str]
    mark: Mapped[str | None]
    developer_id: Mapped[uuid.UUID | None]
    team_id: Mapped[uuid.UUID]
    period_start: Mapped[datetime]
    hold_id: Mapped[uuid.UUID | None]
    request_id: Mapped[str | None]
    attempt: Mapped[int | None]
    provider: Mapped[str | None]
    model: Mapped[str | None]
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(BigInteger)
    held_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    nanousd: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    price: Mapped[dict[str, Any] | None]
    unit: Mapped[str | None]
    amount: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str | None]
    note: Mapped[str | None]
    corrects: Mapped[int | None] = mapped_column(BigInteger)


class DayRow(Base):
    """A subject's spending on a day of the configured time zone: for the daily alert and the chart of a month."""

    __tablename__ = "budget_days"

    subject_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    nanousd: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)


class SpendDayRow(Base):
    """A roll-up of movements by all that spending is broken down by, up to the movement that `RollupRow` names. Empty text: not told.

    The day is the hold's. `attempts`: charged attempts; what a correction or a reconciliation changes is in the amounts alone.
    """

    __tablename__ = "budget_spend_days"
    __table_args__ = (Index("ix_budget_spend_days_developer", "developer_id", "day"),)

    team_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    developer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(BigInteger)
    nanousd: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_input_tokens: Mapped[int] = mapped_column(BigInteger)


class SpendPartRow(Base):
    """The same sums by one dimension alone, which a team's whole year is read from. `provider`: of a model, else empty."""

    __tablename__ = "budget_spend_parts"
    __table_args__ = (CheckConstraint("dimension in ('model', 'provider', 'project', 'purpose', 'session')", name="dimension_known"),)

    team_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    developer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(BigInteger)
    nanousd: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_input_tokens: Mapped[int] = mapped_column(BigInteger)


class RollupRow(Base):
    """The id of the last movement that the roll-ups contain: they contain every movement up to it, and none beyond."""

    __tablename__ = "budget_rollups"

    name: Mapped[str] = mapped_column(primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger)


class ProcessRow(Base):
    """A process that takes holds. One silent for too long is dead, and its open holds are unreconciled."""

    __tablename__ = "budget_processes"

    id: Mapped[Id]
    seen_at: Mapped[CreatedAt]


class RequestRow(Base):
    """The request log: one row a request, also where nothing was held (a cache hit).

    `session`, `agent`, `parent_agent`: the coding agent's own ids. Tokens are those charged; null: logged before they were.
    """

    __tablename__ = "request_log"
    __table_args__ = (
        UniqueConstraint("request_id"),
        Index("ix_request_log_developer", "developer_id", text("at desc")),
        Index("ix_request_log_team", "team_id", text("at desc")),
        Index("ix_request_log_session", "session", "team_id", postgresql_where=text("session is not null")),
        Index("ix_request_log_agent", "agent", "team_id", postgresql_where=text("agent is not null")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[CreatedAt]
    request_id: Mapped[str]
    developer_id: Mapped[uuid.UUID]
    team_id: Mapped[uuid.UUID]
    purpose: Mapped[str]
    project: Mapped[str | None]
    model_asked: Mapped[str]
    provider: Mapped[str | None]
    model_answered: Mapped[str | None]
    attempts: Mapped[int]
    cache: Mapped[str]
    nanousd: Mapped[int] = mapped_column(BigInteger)
    saved_nanousd: Mapped[int] = mapped_column(BigInteger)
    milliseconds: Mapped[int]
    status: Mapped[int]
    session: Mapped[str | None]
    agent: Mapped[str | None]
    parent_agent: Mapped[str | None]
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
