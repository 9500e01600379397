"""What was measured, by the minute, ten minutes and hour; alerts that fire and that did; one outbox for all that is told outside.

Revision ID: 0007
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "rollup_minutes",
        _time("minute"),
        sa.Column("source", sa.UUID(), nullable=False),
        _text("role"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _now("written_at"),
        sa.PrimaryKeyConstraint("minute", "source", name=op.f("pk_rollup_minutes")),
    )
    op.create_table(
        "rollup_spans",
        sa.Column("seconds", sa.Integer(), nullable=False),
        _time("at"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _now("made_at"),
        sa.PrimaryKeyConstraint("seconds", "at", name=op.f("pk_rollup_spans")),
    )
    op.create_table(
        "alert_states",
        _text("rule"),
        _text("key"),
        _json("labels"),
        _text("state"),
        _time("since"),
        _time("quiet_since", nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        _text("severity"),
        _text("summary"),
        sa.CheckConstraint("state in ('pending', 'firing')", name=op.f("ck_alert_states_state_known")),
        sa.PrimaryKeyConstraint("rule", "key", name=op.f("pk_alert_states")),
    )
    op.create_table(
        "alert_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _text("rule"),
        _json("labels"),
        _text("severity"),
        _text("summary"),
        _time("fired_at"),
        _time("resolved_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_history")),
    )
    op.create_index("ix_alert_history_resolved_at", "alert_history", [sa.literal_column("resolved_at desc")], unique=False)
    op.create_table("alert_turns", _text("name"), _time("at"), sa.PrimaryKeyConstraint("name", name=op.f("pk_alert_turns")))


def downgrade() -> None:
    for name in ("alert_turns", "alert_history", "alert_states", "rollup_spans", "rollup_minutes"):
        op.drop_table(name)
