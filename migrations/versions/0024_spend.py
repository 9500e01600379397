"""Roll-ups of spending by day, for ranges of any length; movements that changed a call's charge, by the call.

The roll-ups begin empty: workers fill them from the ledger, some thousand movements at a time. Until then pages read the ledger itself.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KEY = ("team_id", "day", "developer_id", "provider", "model", "purpose", "project", "session")
PART_KEY = ("team_id", "dimension", "day", "developer_id", "key", "provider")
AMOUNTS = ("attempts", "nanousd", "input_tokens", "output_tokens", "cached_input_tokens")


def upgrade() -> None:
    kinds = {"team_id": sa.UUID(), "day": sa.Date(), "developer_id": sa.UUID()}
    op.create_table(
        "budget_spend_days",
        *(sa.Column(name, kinds.get(name, sa.Text()), nullable=False) for name in KEY),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in AMOUNTS),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_budget_spend_days")),
    )
    op.create_table(
        "budget_spend_parts",
        *(sa.Column(name, kinds.get(name, sa.Text()), nullable=False) for name in PART_KEY),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in AMOUNTS),
        sa.CheckConstraint(
            "dimension in ('model', 'provider', 'project', 'purpose', 'session')", name=op.f("ck_budget_spend_parts_dimension_known")
        ),
        sa.PrimaryKeyConstraint(*PART_KEY, name=op.f("pk_budget_spend_parts")),
    )
    op.create_index("ix_budget_spend_days_developer", "budget_spend_days", ["developer_id", "day"])
    op.create_table(
        "budget_rollups",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_budget_rollups")),
    )
    op.execute("insert into budget_rollups (name, upto) values ('spend_days', 0)")
    op.create_index(
        "ix_budget_movements_changed",
        "budget_movements",
        ["request_id"],
        postgresql_where=sa.text("kind in ('reconcile', 'correction')"),
    )


def downgrade() -> None:
    op.drop_index("ix_budget_movements_changed", table_name="budget_movements")
    op.drop_table("budget_rollups")
    op.drop_table("budget_spend_parts")
    op.drop_index("ix_budget_spend_days_developer", table_name="budget_spend_days")
    op.drop_table("budget_spend_days")
