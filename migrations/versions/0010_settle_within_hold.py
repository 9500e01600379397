"""An end of a hold charges no more than was held, whatever the provider reports.

Revision ID: 0010
Revises: 0009
"""

from alembic import context, op

from app.storage import statements

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(statements.load("budget", "budget_settle"))


def downgrade() -> None:
    before: str = context.script.get_revision("0003").module.SETTLE
    op.execute(before.replace("create function", "create or replace function", 1))
