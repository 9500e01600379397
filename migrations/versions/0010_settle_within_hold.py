"""An end of a hold charges no more than was held, whatever the provider reports.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

from app.storage.migrations import frozen_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(frozen_sql(revision, "budget_settle"))


def downgrade() -> None:
    op.execute(frozen_sql("0003", "budget_settle"))
