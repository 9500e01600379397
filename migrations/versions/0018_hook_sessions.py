"""Sessions that IDEs' hooks told of, and the knowledge that each was given.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hook_sessions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("repository", sa.Text(), nullable=True),
        sa.Column("branch", sa.Text(), nullable=True),
        sa.Column("directory", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_hook_sessions_team_id_teams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["developer_id"], ["developers.id"], name=op.f("fk_hook_sessions_developer_id_developers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_sessions")),
        sa.UniqueConstraint("team_id", "agent", "session", name=op.f("uq_hook_sessions_team_id_agent_session")),
    )
    op.create_index("ix_hook_sessions_registered_at", "hook_sessions", ["registered_at"], unique=False)
    op.create_table(
        "served_knowledge",
        sa.Column("hook_session_id", sa.UUID(), nullable=False),
        sa.Column("knowledge_id", sa.UUID(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hook_session_id"], ["hook_sessions.id"], name=op.f("fk_served_knowledge_hook_session_id_hook_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hook_session_id", "knowledge_id", name=op.f("pk_served_knowledge")),
    )


def downgrade() -> None:
    op.drop_table("served_knowledge")
    op.drop_index("ix_hook_sessions_registered_at", table_name="hook_sessions")
    op.drop_table("hook_sessions")
