"""Events that a hook tells before their transcript's record exists, and how far growing transcripts are journalled.

Earlier events have no hash of their words: no hook told them.

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

    op.create_table(
        "followed_transcripts",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_followed_transcripts_team_id_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner_id", "source", name=op.f("pk_followed_transcripts")),
    )
    op.create_index("ix_followed_transcripts_updated_at", "followed_transcripts", ["updated_at"], unique=False)


def downgrade() -> None:
    op.drop_table("followed_transcripts")
    op.drop_index("ix_events_text_hash", "events")
    op.drop_index("uq_events_provisional", "events")
    op.drop_column("events", "text_hash")
    op.drop_column("events", "provisional")
