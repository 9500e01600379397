"""Verdicts of policies beside a session's analysis, the violations that are counted and told once, and an index of open trouble.

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session_analyses", sa.Column("verdicts", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.create_table(
        "session_policy_violations",
        sa.Column("session_id", sa.Uuid(), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.Column("project_id", sa.Uuid(), sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at_end", sa.Boolean(), nullable=False),
        sa.Column("recent", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alerted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "policy", "seq", name=op.f("pk_session_policy_violations")),
    )
    op.create_index(
        "ix_session_policy_violations_due", "session_policy_violations", ["due_at"], postgresql_where=sa.text("counted_at is null")
    )
    op.create_index("ix_session_policy_violations_project_id", "session_policy_violations", ["project_id"])
    op.create_index(
        "ix_session_findings_open",
        *("session_findings", ["ended_at"]),
        postgresql_where=sa.text("open and kind in ('health', 'loop')"),
    )


def downgrade() -> None:
    op.drop_index("ix_session_findings_open", table_name="session_findings")
    op.drop_table("session_policy_violations")
    op.drop_column("session_analyses", "verdicts")
