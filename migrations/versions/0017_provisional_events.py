"""Events that a hook tells before their transcript's record exists, and the hash of their words by which it finds them.

Earlier events have no hash: no hook told them.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("provisional", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("text_hash", sa.BigInteger(), nullable=True))
    op.create_index(
        "uq_events_provisional", "events", ["session_id", "provisional"], unique=True, postgresql_where=sa.text("provisional is not null")
    )
    op.create_index(
        "ix_events_text_hash", "events", ["session_id", "text_hash"], unique=False, postgresql_where=sa.text("text_hash is not null")
    )


def downgrade() -> None:
    op.drop_index("ix_events_text_hash", "events")
    op.drop_index("uq_events_provisional", "events")
    op.drop_column("events", "text_hash")
    op.drop_column("events", "provisional")
