"""Corrections: a charge is set right by a movement against it, never by changing what stands.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KNOWN = "kind in ('settle', 'unreconciled', 'reconcile', 'limit', 'top_up'{})"
NAME = "ck_budget_movements_kind_known"


def upgrade() -> None:
    op.add_column("budget_movements", sa.Column("corrects", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_budget_movements_corrects", "budget_movements", ["corrects"], unique=False, postgresql_where=sa.text("corrects is not null")
    )
    op.drop_constraint(op.f(NAME), "budget_movements")
    op.create_check_constraint(op.f(NAME), "budget_movements", KNOWN.format(", 'correction'"))


def downgrade() -> None:
    """Corrections can't be told by an older version: their charges stay in the balances, and are noted as reconciled."""
    op.execute("update budget_movements set kind = 'reconcile' where kind = 'correction'")
    op.drop_constraint(op.f(NAME), "budget_movements")
    op.create_check_constraint(op.f(NAME), "budget_movements", KNOWN.format(""))
    op.drop_index("ix_budget_movements_corrects", "budget_movements")
    op.drop_column("budget_movements", "corrects")
