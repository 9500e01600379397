"""Cached values: the tier that outlives Redis and every process.

Unlogged: a cache that a crash empties costs a repetition, not a record, and writes nothing to the log.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache_entries",
        sa.Column("cache", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("cache", "key", name=op.f("pk_cache_entries")),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_cache_entries_ends_at", "cache_entries", ["ends_at"], unique=False)


def downgrade() -> None:
    op.drop_table("cache_entries")
