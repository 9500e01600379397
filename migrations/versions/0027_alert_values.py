"""What an alert's value was when it began to fire and at its peak, and what ends it.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alert_states", sa.Column("first", sa.Float(), nullable=True))
    op.add_column("alert_states", sa.Column("peak", sa.Float(), nullable=True))
    op.add_column("alert_states", sa.Column("ends", sa.Text(), server_default="", nullable=False))
    op.add_column("alert_history", sa.Column("peak", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("alert_history", "peak")
    op.drop_column("alert_states", "ends")
    op.drop_column("alert_states", "peak")
    op.drop_column("alert_states", "first")
