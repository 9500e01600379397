"""The dashboard: sign-ins, questions that found nothing, and who changed a limit.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CHANGED = sa.text("kind in ('limit', 'top_up')")


def upgrade() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("key_id", sa.UUID(), nullable=True),
        sa.Column("admin_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_sign_ins_key_id_api_keys"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
    )
    op.create_index("ix_sign_ins_ends_at", "sign_ins", ["ends_at"], unique=False)
    op.create_index("ix_sign_ins_key_id", "sign_ins", ["key_id"], unique=False)
    op.create_table(
        "knowledge_unanswered",
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_knowledge_unanswered_team_id_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "question", name=op.f("pk_knowledge_unanswered")),
    )
    op.create_index(
        "ix_budget_movements_limits", "budget_movements", ["team_id", sa.literal_column("id desc")], unique=False, postgresql_where=CHANGED
    )


def downgrade() -> None:
    op.drop_index("ix_budget_movements_limits", "budget_movements")
    op.drop_table("knowledge_unanswered")
    op.drop_table("sign_ins")
