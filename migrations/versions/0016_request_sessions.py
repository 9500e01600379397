"""The request log tells the session, agent and tokens of each request. Of earlier requests they are unknown.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXTS = ("session", "agent", "parent_agent")
INDEXED = ("session", "agent")
COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens")


def upgrade() -> None:
    for name in TEXTS:
        op.add_column("request_log", sa.Column(name, sa.Text(), nullable=True))
    for name in COUNTS:
        op.add_column("request_log", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in INDEXED:
        op.create_index(
            f"ix_request_log_{name}", "request_log", [name, "team_id"], unique=False, postgresql_where=sa.text(f"{name} is not null")
        )


def downgrade() -> None:
    for name in INDEXED:
        op.drop_index(f"ix_request_log_{name}", "request_log")
    for name in (*COUNTS, *TEXTS):
        op.drop_column("request_log", name)
