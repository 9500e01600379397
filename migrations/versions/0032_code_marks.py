"""What became of the code that items speak of: the marks of each repository, and the verdict of all of them beside the item, for search.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("knowledge", sa.Column("code_verdict", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_knowledge_code_verdict_known"), "knowledge", "code_verdict in ('fresh', 'changed', 'gone', 'unverifiable')"
    )
    op.create_table(
        "knowledge_code_marks",
        sa.Column("knowledge_id", sa.UUID(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("former_path", sa.Text(), nullable=True),
        sa.Column("commit", sa.Text(), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("verdict in ('fresh', 'changed', 'gone', 'unverifiable')", name=op.f("ck_knowledge_code_marks_verdict_known")),
        sa.ForeignKeyConstraint(
            ["knowledge_id"], ["knowledge.id"], name=op.f("fk_knowledge_code_marks_knowledge_id_knowledge"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["developer_id"], ["developers.id"], name=op.f("fk_knowledge_code_marks_developer_id_developers"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("knowledge_id", "repository", name=op.f("pk_knowledge_code_marks")),
    )


def downgrade() -> None:
    op.drop_table("knowledge_code_marks")
    op.drop_constraint(op.f("ck_knowledge_code_verdict_known"), "knowledge")
    op.drop_column("knowledge", "code_verdict")
