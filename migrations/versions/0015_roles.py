"""Roles of developers: lead, developer or auditor. Everybody was a developer so far.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("developers", sa.Column("role", sa.Text(), server_default="developer", nullable=False))
    op.create_check_constraint(op.f("ck_developers_role_known"), "developers", "role in ('lead', 'developer', 'auditor')")


def downgrade() -> None:
    """Make everybody a developer: an older version knows no roles, so an auditor can write and call models there."""
    op.drop_constraint(op.f("ck_developers_role_known"), "developers")
    op.drop_column("developers", "role")
