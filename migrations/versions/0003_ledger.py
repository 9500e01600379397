"""The money ledger: balances, holds, movements, and the two functions through which holds begin and end.

Each is one statement for many holds: one round trip, one flush of the log, and the balance rows are locked for no longer than that.
They lock in one order (holds by id, then balances by subject and period), so two batches can't wait for each other.
Their settings name the plan (nested loops over indexes): a session keeps a plan that was made while the tables were small and unknown.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.storage.migrations import frozen_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_alerts")),
        sa.UniqueConstraint("subject_id", "period_start", "rule", name=op.f("uq_budget_alerts_subject_id_period_start_rule")),
    )
    op.create_index("ix_budget_alerts_due", "budget_alerts", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null"))
    op.create_table(
        "budget_balances",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("limit_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("added_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("limit_tokens", sa.BigInteger(), nullable=True),
        sa.Column("spent_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("subject in ('developer', 'team')", name=op.f("ck_budget_balances_subject_known")),
        sa.CheckConstraint("held_nanousd >= 0 and held_tokens >= 0", name=op.f("ck_budget_balances_held_not_negative")),
        sa.PrimaryKeyConstraint("subject_id", "period_start", name=op.f("pk_budget_balances")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "budget_days",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "day", name=op.f("pk_budget_days")),
    )
    op.create_table(
        "budget_holds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="held", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("nanousd >= 0 and tokens >= 0", name=op.f("ck_budget_holds_not_negative")),
        sa.CheckConstraint("state in ('held', 'settled', 'released', 'unreconciled')", name=op.f("ck_budget_holds_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_holds")),
        sa.UniqueConstraint("request_id", "attempt", name=op.f("uq_budget_holds_request_id_attempt")),
    )
    op.create_index(
        "ix_budget_holds_open", "budget_holds", ["process_id", "created_at"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    for who in ("developer", "team"):
        op.create_index(
            f"ix_budget_holds_unreconciled_{who}",
            "budget_holds",
            [f"{who}_id", "created_at"],
            unique=False,
            postgresql_where=sa.text("state = 'unreconciled'"),
        )
    op.create_table(
        "budget_limits",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("unit in ('nanousd', 'tokens')", name=op.f("ck_budget_limits_unit_known")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budget_limits_amount_positive")),
        sa.PrimaryKeyConstraint("subject_id", "unit", name=op.f("pk_budget_limits")),
    )
    op.create_table(
        "budget_movements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_id", sa.UUID(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("held_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("price", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind in ('settle', 'unreconciled', 'reconcile', 'limit', 'top_up')", name=op.f("ck_budget_movements_kind_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_movements")),
    )
    op.create_index("ix_budget_movements_developer", "budget_movements", ["developer_id", sa.literal_column("id desc")], unique=False)
    op.create_index(
        "ix_budget_movements_period",
        "budget_movements",
        ["period_start", "developer_id"],
        unique=False,
        postgresql_include=["nanousd", "tokens"],
    )
    op.create_index("ix_budget_movements_team", "budget_movements", ["team_id", sa.literal_column("id desc")], unique=False)
    op.create_table(
        "budget_processes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_processes")),
    )
    op.create_table(
        "request_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("model_asked", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model_answered", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cache", sa.Text(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("saved_nanousd", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_log")),
        sa.UniqueConstraint("request_id", name=op.f("uq_request_log_request_id")),
    )
    op.create_index("ix_request_log_developer", "request_log", ["developer_id", sa.literal_column("at desc")], unique=False)
    op.create_index("ix_request_log_team", "request_log", ["team_id", sa.literal_column("at desc")], unique=False)
    op.execute(frozen_sql(revision, "budget_hold"))
    op.execute(frozen_sql(revision, "budget_settle"))


def downgrade() -> None:
    op.execute("drop function budget_settle(jsonb)")
    op.execute("drop function budget_hold(jsonb)")
    for table in (
        "request_log", "budget_processes", "budget_movements", "budget_limits", "budget_holds", "budget_days", "budget_balances",
        "budget_alerts",
    ):  # fmt: skip
        op.drop_table(table)
