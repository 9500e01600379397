"""Versions of what is known, for answers that are kept; the project of what the index has yet to hear of; how often a cached value was used.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Small rows that change often and no indexed column among what changes: room to update them within their page.
    op.create_table(
        "knowledge_versions",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_knowledge_versions")),
    )
    op.execute("alter table knowledge_versions set (fillfactor = 50)")
    op.create_index("ix_knowledge_versions_team_id", "knowledge_versions", ["team_id"], unique=False)
    op.add_column("index_outbox", sa.Column("project_id", sa.UUID(), nullable=True))
    op.add_column("cache_entries", sa.Column("hits", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("cache_entries", "hits")
    op.drop_column("index_outbox", "project_id")
    op.drop_table("knowledge_versions")
