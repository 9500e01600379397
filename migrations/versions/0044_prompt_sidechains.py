"""Prompts that an agent said to a sub-agent: they have an intent, but open no exchange.

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prompt_intents", sa.Column("sidechain", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("prompt_intents", "sidechain")
