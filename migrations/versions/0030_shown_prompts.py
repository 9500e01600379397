"""Projects that show the prompts of their sessions, and the audit of who switched that and who read whose.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

from app.storage.migrations import frozen_sql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("prompts_shown_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "prompt_audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("by_id", sa.UUID(), nullable=True),
        sa.Column("project_id", sa.UUID(), nullable=True),
        sa.Column("project_name", sa.Text(), nullable=True),
        sa.Column("session_id", sa.UUID(), nullable=True),
        sa.Column("author_id", sa.UUID(), nullable=True),
        sa.Column("first_seq", sa.Integer(), nullable=True),
        sa.Column("last_seq", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("action in ('shown', 'hidden', 'merged', 'read', 'exported')", name=op.f("ck_prompt_audit_action_known")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_prompt_audit_team_id_teams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["by_id"], ["developers.id"], name=op.f("fk_prompt_audit_by_id_developers"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["author_id"], ["developers.id"], name=op.f("fk_prompt_audit_author_id_developers"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_prompt_audit_project_id_projects"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_audit")),
    )
    op.create_index("ix_prompt_audit_team_id", "prompt_audit", ["team_id", sa.text("id desc")], unique=False)
    op.execute(frozen_sql(revision, "refuse_audit_change"))
    op.execute(frozen_sql(revision, "prompt_audit_final"))


def downgrade() -> None:
    op.drop_table("prompt_audit")
    op.execute("drop function refuse_audit_change()")
    op.drop_column("projects", "prompts_shown_since")
