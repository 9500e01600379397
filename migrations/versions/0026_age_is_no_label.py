"""An item's age is read from its date: no label of it is stored, and no job relabels.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_knowledge_not_stale", table_name="knowledge")
    op.drop_index("ix_knowledge_project_freshness", table_name="knowledge")
    op.drop_column("knowledge", "freshness")
    op.create_index(
        "ix_knowledge_project_last_seen",
        "knowledge",
        ["project_id", sa.text("last_seen_at DESC")],
        postgresql_include=["type"],
    )


def downgrade() -> None:
    op.drop_index("ix_knowledge_project_last_seen", table_name="knowledge")
    op.add_column("knowledge", sa.Column("freshness", sa.Text(), server_default="fresh", nullable=False))
    op.execute(
        "update knowledge set freshness = case"
        " when last_seen_at > now() - interval '90 days' then 'aging'"
        " when last_seen_at > now() - interval '180 days' then 'stale' else 'deprecated' end"
        " where last_seen_at <= now() - interval '30 days'"
    )
    op.create_check_constraint(op.f("ck_knowledge_freshness_known"), "knowledge", "freshness in ('fresh', 'aging', 'stale', 'deprecated')")
    op.create_index("ix_knowledge_project_freshness", "knowledge", ["project_id", "freshness"], postgresql_include=["type", "last_seen_at"])
    op.create_index(
        "ix_knowledge_not_stale",
        "knowledge",
        ["team_id", "project_id", sa.text("last_seen_at DESC")],
        postgresql_where=sa.text("freshness in ('fresh', 'aging')"),
    )
