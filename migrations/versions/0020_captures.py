"""By which ways each developer's sessions of each agent come, and when something last did; a team's sessions by their last append.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "captures",
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("owner_id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_captures_team_id_teams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["developer_id"], ["developers.id"], name=op.f("fk_captures_developer_id_developers"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "owner_id", "agent", "way", name=op.f("pk_captures")),
    )
    op.create_index("ix_sessions_team_updated", "sessions", ["team_id", sa.text("updated_at DESC")])


def downgrade() -> None:
    op.drop_index("ix_sessions_team_updated", table_name="sessions")
    op.drop_table("captures")
