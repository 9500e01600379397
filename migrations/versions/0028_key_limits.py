"""Keys have limits of their own, and models that they may ask for. A hold names its key; a limited key has balances as developers do.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.storage.migrations import frozen_sql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SUBJECTS = "ck_budget_balances_subject_known"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("budget_holds", sa.Column("key_id", sa.UUID(), nullable=True))
    op.drop_constraint(op.f(SUBJECTS), "budget_balances")
    op.create_check_constraint(op.f(SUBJECTS), "budget_balances", "subject in ('developer', 'team', 'key')")
    op.execute(frozen_sql(revision, "budget_hold"))
    op.execute(frozen_sql(revision, "budget_settle"))


def downgrade() -> None:
    """Revoke the keys with a limit or a list of models: an older version would let them spend, and ask, without."""
    op.execute(
        "update api_keys set revoked_at = now() where revoked_at is null and (models is not null or exists"
        " (select from budget_limits l where l.subject_id = api_keys.id and l.amount is not null))"
    )
    op.execute(frozen_sql("0003", "budget_hold"))
    op.execute(frozen_sql("0010", "budget_settle"))
    op.execute("delete from budget_balances where subject = 'key'")
    op.execute("delete from budget_limits l using api_keys k where k.id = l.subject_id")
    op.drop_constraint(op.f(SUBJECTS), "budget_balances")
    op.create_check_constraint(op.f(SUBJECTS), "budget_balances", "subject in ('developer', 'team')")
    op.drop_column("budget_holds", "key_id")
    op.drop_column("api_keys", "models")
