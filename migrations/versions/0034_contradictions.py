"""Items that can't both hold, and what people decided of them; items that say the same, and how many people stand by one.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


_DEVELOPER = "constraint fk_knowledge_evidence_developer_id_developers references developers (id) on delete set null"
_COLUMNS = (
    "knowledge add column if not exists wording bytea",
    "knowledge add column if not exists people integer default 0 not null",
    f"knowledge_evidence add column if not exists developer_id uuid {_DEVELOPER}",
)


def upgrade() -> None:
    # Each in a transaction of its own, so that no reader waits while the index is built and the evidence updated. Repeated after a failure.
    with op.get_context().autocommit_block():
        for column in _COLUMNS:
            op.execute(f"alter table {column}")  # none rewrites the table: a constant default, and nulls
        op.create_index(
            "ix_knowledge_wording", "knowledge", ["team_id", "wording"], postgresql_where=sa.text("wording is not null"), if_not_exists=True
        )
        # From here on each row has it; of those before, the item's is known.
        op.execute(
            "update knowledge_evidence e set developer_id = k.developer_id from knowledge k where k.id = e.knowledge_id"
            " and k.origin = 'extracted' and k.evidence_count = 1 and k.developer_id is not null and e.developer_id is null"
        )
    # Each without rewriting the table: constant defaults, and a null.
    op.add_column("knowledge_supersessions", sa.Column("cause", sa.Text(), server_default="said", nullable=False))
    op.create_check_constraint(
        op.f("ck_knowledge_supersessions_cause_known"), "knowledge_supersessions", "cause in ('said', 'decided', 'merged')"
    )
    op.add_column("knowledge_supersessions", sa.Column("made_by", sa.Uuid(), nullable=True))
    op.add_column("knowledge_supersessions", sa.Column("made_by_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_foreign_key(
        op.f("fk_knowledge_supersessions_made_by_developers"),
        *("knowledge_supersessions", "developers", ["made_by"], ["id"]),
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_knowledge_supersessions_people",
        *("knowledge_supersessions", ["older_id", "newer_id"]),
        postgresql_where=sa.text("cause <> 'said' or undone_at is not null"),
    )
    op.create_table(
        "knowledge_contradictions",
        sa.Column("one_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("other_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
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
    op.create_index(
        "ix_knowledge_contradictions_team_id",
        *("knowledge_contradictions", ["team_id", "number"]),
        postgresql_where=sa.text("decision is null"),
    )


def downgrade() -> None:
    op.drop_column("knowledge_evidence", "developer_id")
    op.drop_index("ix_knowledge_wording", table_name="knowledge")
    op.drop_column("knowledge", "people")
    op.drop_column("knowledge", "wording")
    op.drop_table("knowledge_contradictions")
    op.drop_index("ix_knowledge_supersessions_people", table_name="knowledge_supersessions")
    # Without a person's decision nothing says that one of the two is replaced.
    op.execute("delete from knowledge_supersessions where cause <> 'said'")
    for column in ("made_by_admin", "made_by", "cause"):
        op.drop_column("knowledge_supersessions", column)
