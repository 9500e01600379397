"""Evidence that a model worded, beside what rules extracted.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without rewriting the table: a constant default.
    op.add_column("knowledge_evidence", sa.Column("distilled", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("knowledge_evidence", "distilled")
