"""Rows of the analysis of sessions. Read and written only in this room; nothing here holds what was said but `because`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, Integer, LargeBinary, Text, false
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt


class AnalysisRow(Base):
    """A session's analysis. `made_by`: the analyzers and their versions. `seq`: the last event read. `left_out`: findings beyond the bound.

    `verdicts`: on the policies that were watched, as `PolicyStanding` gives its values.
    """

    __tablename__ = "session_analyses"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    made_by: Mapped[str]
    seq: Mapped[int]
    left_out: Mapped[int]
    verdicts: Mapped[list[Any]] = mapped_column(JSONB, server_default=sql("'[]'::jsonb"))


class AnalysisStateRow(Base):
    """The state of a session's analysis after the event `seq`, compressed: the analysis goes on from there."""

    __tablename__ = "session_analysis_states"
    __table_args__ = (Index("ix_session_analysis_states_created_at", "created_at"),)

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    made_by: Mapped[str]
    state: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


class FindingRow(Base):
    """Something found in a session; see `analyzer.SessionFinding`. `told`: the event that told it last, `revision`: the session's, as it was
    written. `tool`: that it is about, or empty.

    `began_at`, `ended_at`: times of its first and last event; null: unknown.
    """

    __tablename__ = "session_findings"
    __table_args__ = (
        Index("ix_session_findings_told", "session_id", "told"),
        Index("ix_session_findings_project_id", "project_id"),
        Index("ix_session_findings_open", "ended_at", postgresql_where=sql("open and kind in ('health', 'loop')")),
        Index("ix_session_findings_trouble", "team_id", sql("began_at desc"), postgresql_where=sql("kind in ('health', 'loop')")),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    last: Mapped[int]
    evidence: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    because: Mapped[str]
    open: Mapped[bool]
    told: Mapped[int]
    revision: Mapped[int]
    tool: Mapped[str]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ViolationRow(Base):
    """A violation of a policy, once for each event that broke it, however often the session is read; see `violations.PolicyViolations`.

    `at_end`: the session ended without what the policy demands since the event `seq`. `recent`: it was noted within a day.
    `due_at`: when it counts unless it is taken back. `counted_at` null: it doesn't count yet. `alerted`: people were told.
    """

    __tablename__ = "session_policy_violations"
    __table_args__ = (
        Index("ix_session_policy_violations_due", "due_at", postgresql_where=sql("counted_at is null")),
        Index("ix_session_policy_violations_project_id", "project_id"),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    policy: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    at_end: Mapped[bool]
    recent: Mapped[bool]
    due_at: Mapped[datetime]
    counted_at: Mapped[datetime | None]
    alerted: Mapped[bool] = mapped_column(server_default=false())


class ExchangeRow(Base):
    """A prompt of a session and what followed up to the next; see `exchanges.SessionExchange`."""

    __tablename__ = "session_exchanges"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[int]
    last: Mapped[int]
    outcome: Mapped[str | None]
    phases: Mapped[dict[str, Any]]
    failed: Mapped[int]
    checks_passed: Mapped[int]
    checks_failed: Mapped[int]
    checked: Mapped[str | None]
    files: Mapped[list[str]] = mapped_column(ARRAY(Text))
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_nanousd: Mapped[int | None] = mapped_column(BigInteger)


class StepBlockRow(Base):
    """256 steps of a session, packed; see `step_blocks.StepBlock`."""

    __tablename__ = "session_step_blocks"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    phases: Mapped[str]
    symbols: Mapped[bytes] = mapped_column(LargeBinary)
