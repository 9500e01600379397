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


MOVED = """
insert into notices (id, body, created_at, attempts, next_at)
select id, jsonb_build_object('id', id, 'text', 'Cairn: budget of ' || subject || ' ' || subject_id || ': ' || rule, 'subject', subject,
                              'subject_id', subject_id, 'period_start', period_start, 'rule', rule, 'at', created_at) || data,
       created_at, attempts, next_at
from budget_alerts where next_at is not null
"""
"""What still waits to be posted goes on waiting, in the one outbox."""


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
    op.create_table(
        "notices",
        sa.Column("id", sa.UUID(), nullable=False),
        _json("body"),
        _now("created_at"),
        _time("delivered_at", nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _time("next_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_due", "notices", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null"))
    op.execute(MOVED)
    op.drop_index("ix_budget_alerts_due", table_name="budget_alerts")
    for name in ("delivered_at", "attempts", "next_at"):
        op.drop_column("budget_alerts", name)


def downgrade() -> None:
    op.add_column("budget_alerts", _time("delivered_at", nullable=True))
    op.add_column("budget_alerts", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("budget_alerts", _time("next_at", nullable=True))
    op.execute(
        "update budget_alerts a set attempts = n.attempts, next_at = n.next_at, delivered_at = n.delivered_at from notices n where n.id = a.id"
    )
    op.create_index("ix_budget_alerts_due", "budget_alerts", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null"))
    op.drop_table("notices")
    for name in ("alert_turns", "alert_history", "alert_states", "rollup_spans", "rollup_minutes"):
        op.drop_table(name)
