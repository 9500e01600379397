"""What Cairn served into each session, and which of it the session used.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_served_knowledge",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("knowledge_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_session_served_knowledge_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "knowledge_id", name=op.f("pk_session_served_knowledge")),
    )
    op.create_table(
        "knowledge_uses",
        sa.Column("knowledge_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("transcript", sa.Text(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_knowledge_uses_session_id_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("knowledge_id", "session_id", name=op.f("pk_knowledge_uses")),
    )
    op.create_index("ix_knowledge_uses_session_id", "knowledge_uses", ["session_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_knowledge_uses_session_id", table_name="knowledge_uses")
    op.drop_table("knowledge_uses")
    op.drop_table("session_served_knowledge")
