"""What leads do with items: retire one and bring it back, and merge one into another, with who did it.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

ACTION = "ck_knowledge_revisions_action_known"


def upgrade() -> None:
    op.drop_constraint(op.f(ACTION), "knowledge_revisions", type_="check")
    op.create_check_constraint(op.f(ACTION), "knowledge_revisions", "action in ('recorded', 'corrected', 'retired', 'reinstated')")
    # All without rewriting the table: constant defaults, and a null.
    op.add_column("knowledge_supersessions", sa.Column("merged", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("knowledge_supersessions", sa.Column("merged_by", sa.Uuid(), nullable=True))
    op.add_column("knowledge_supersessions", sa.Column("merged_by_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_foreign_key(
        op.f("fk_knowledge_supersessions_merged_by_developers"),
        *("knowledge_supersessions", "developers", ["merged_by"], ["id"]),
        ondelete="SET NULL",
    )


def downgrade() -> None:
    op.execute("delete from knowledge_supersessions where merged")
    for column in ("merged_by_admin", "merged_by", "merged"):
        op.drop_column("knowledge_supersessions", column)
    op.execute("delete from knowledge_revisions where action in ('retired', 'reinstated')")
    op.drop_constraint(op.f(ACTION), "knowledge_revisions", type_="check")
    op.create_check_constraint(op.f(ACTION), "knowledge_revisions", "action in ('recorded', 'corrected')")
