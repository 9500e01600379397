"""The analysis of sessions: its state, what it found, exchanges, the steps packed, and what a session was told of it.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def _session() -> "sa.Column[object]":
    return sa.Column("session_id", sa.Uuid(), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "session_analyses",
        _session(),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session_analyses")),
    )
    op.create_table(
        "session_analysis_states",
        _session(),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", name=op.f("pk_session_analysis_states")),
    )
    op.create_index("ix_session_analysis_states_created_at", "session_analysis_states", ["created_at"])
    op.create_table(
        "session_findings",
        _session(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("session_id", "kind", "name", "first", name=op.f("pk_session_findings")),
    )
    op.create_index("ix_session_findings_told", "session_findings", ["session_id", "told"])
    op.create_index("ix_session_findings_project_id", "session_findings", ["project_id"])
    op.create_index(
        "ix_session_findings_trouble",
        *("session_findings", ["team_id", sa.text("began_at desc")]),
        postgresql_where=sa.text("kind in ('health', 'loop')"),
    )
    op.create_table(
        "session_exchanges",
        _session(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("phases", JSONB(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("checks_passed", sa.Integer(), nullable=False),
        sa.Column("checks_failed", sa.Integer(), nullable=False),
        sa.Column("checked", sa.Text(), nullable=True),
        sa.Column("files", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_session_exchanges")),
    )
    op.create_table(
        "session_step_blocks",
        _session(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phases", sa.Text(), nullable=False),
        sa.Column("symbols", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_session_step_blocks")),
    )
    op.create_table(
        "session_nudges",
        _session(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("upto", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "kind", "name", "first", name=op.f("pk_session_nudges")),
    )


def downgrade() -> None:
    for table in (
        "session_nudges",
        "session_step_blocks",
        "session_exchanges",
        "session_findings",
        "session_analysis_states",
        "session_analyses",
    ):
        op.drop_table(table)
