"""Find the marks that expire by an index: they were looked for among all marks, every ten minutes.

Revision ID: 0037
Revises: 0036
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_knowledge_code_marks_checked_at", "knowledge_code_marks", ["checked_at"])


def downgrade() -> None:
    op.drop_index("ix_knowledge_code_marks_checked_at", table_name="knowledge_code_marks")
