"""The shape of each session, by which sessions like it are found.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_shapes",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("symbols", sa.Text(), nullable=False),
        sa.Column("firsts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("settled_seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_session_shapes_session_id_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session_shapes")),
    )


def downgrade() -> None:
    op.drop_table("session_shapes")
