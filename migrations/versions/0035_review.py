"""What leads do with items: retire one and bring it back, with who did it.

Revision ID: 0035
Revises: 0034
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

ACTION = "ck_knowledge_revisions_action_known"


def upgrade() -> None:
    op.drop_constraint(op.f(ACTION), "knowledge_revisions", type_="check")
    op.create_check_constraint(op.f(ACTION), "knowledge_revisions", "action in ('recorded', 'corrected', 'retired', 'reinstated')")


def downgrade() -> None:
    op.execute("delete from knowledge_revisions where action in ('retired', 'reinstated')")
    op.drop_constraint(op.f(ACTION), "knowledge_revisions", type_="check")
    op.create_check_constraint(op.f(ACTION), "knowledge_revisions", "action in ('recorded', 'corrected')")
