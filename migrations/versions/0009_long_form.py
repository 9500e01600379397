"""1536 dims of long items, beside the 384 of all. Both columns are filled by the worker's maintenance.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("knowledge", "knowledge_evidence")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("long_embedding", sa.LargeBinary(), nullable=True))
        op.add_column(table, sa.Column("long_embedding_model", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "long_embedding_model")
        op.drop_column(table, "long_embedding")
