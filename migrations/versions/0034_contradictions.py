"""Items that can't both hold, and what people decided of them.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("knowledge_supersessions", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "knowledge_contradictions",
        sa.Column("one_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("other_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("other_words", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), sa.ForeignKey("developers.id", ondelete="SET NULL"), nullable=True),
        sa.Column("by_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("one_id", "other_id", name="pk_knowledge_contradictions"),
        sa.CheckConstraint("one_id < other_id", name=op.f("ck_knowledge_contradictions_ids_in_order")),
        sa.CheckConstraint("decision in ('one', 'other', 'both')", name=op.f("ck_knowledge_contradictions_decision_known")),
    )
    op.create_index("ix_knowledge_contradictions_other_id", "knowledge_contradictions", ["other_id"])


def downgrade() -> None:
    op.drop_table("knowledge_contradictions")
    # Without a person's decision nothing says that one of the two is replaced.
    op.execute("delete from knowledge_supersessions where decided_at is not null")
    op.drop_column("knowledge_supersessions", "decided_at")
