"""A waiting transcript tells the folder that its sessions worked in, where its client knows it and the transcript doesn't say.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("directory", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("uploads", "directory")
