"""Knowledge that people write, correct and judge; tombstones that outlive another version of the extraction.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PINNED = "corrected_at is not null or hidden or helpful > 0"


def upgrade() -> None:
    op.add_column("knowledge", sa.Column("paths", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("knowledge", sa.Column("recorded_key", sa.LargeBinary(), nullable=True))
    op.add_column("knowledge", sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True))
    for verdict in ("helpful", "wrong", "stale"):
        op.add_column("knowledge", sa.Column(verdict, sa.Integer(), server_default="0", nullable=False))
    op.add_column("knowledge", sa.Column("hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    newest = [sa.text("created_at desc"), sa.text("id desc")]
    op.create_index("ix_knowledge_team_created", "knowledge", ["team_id", *newest], unique=False)
    op.create_index("ix_knowledge_project_created", "knowledge", ["project_id", *newest], unique=False)
    recorded = sa.text("recorded_key is not null")
    op.create_index("uq_knowledge_recorded", "knowledge", ["project_id", "recorded_key"], unique=True, postgresql_where=recorded)
    op.create_index("ix_knowledge_pinned", "knowledge", ["project_id"], unique=False, postgresql_where=sa.text(PINNED))

    op.add_column("knowledge_forgotten", sa.Column("project_id", sa.UUID(), nullable=True))
    op.add_column("knowledge_forgotten", sa.Column("event_id", sa.Text(), nullable=True))
    op.add_column("knowledge_forgotten", sa.Column("digest", sa.LargeBinary(), nullable=True))
    op.add_column("knowledge_forgotten", sa.Column("numbers", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("knowledge_forgotten", sa.Column("embedding", sa.LargeBinary(), nullable=True))
    op.add_column("knowledge_forgotten", sa.Column("embedding_model", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_knowledge_forgotten_project_id_projects"), "knowledge_forgotten", "projects", ["project_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index("ix_knowledge_forgotten_project_id", "knowledge_forgotten", ["project_id"], unique=False)

    op.create_table(
        "knowledge_revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_of_an_item("knowledge_revisions"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("paths", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("action in ('recorded', 'corrected')", name=op.f("ck_knowledge_revisions_action_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_revisions")),
    )
    op.create_index("ix_knowledge_revisions_knowledge_id", "knowledge_revisions", ["knowledge_id", sa.text("id desc")], unique=False)
    op.create_table(
        "knowledge_feedback",
        sa.Column("id", sa.UUID(), nullable=False),
        *_of_an_item("knowledge_feedback"),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("verdict in ('helpful', 'wrong', 'stale')", name=op.f("ck_knowledge_feedback_verdict_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_feedback")),
    )
    op.create_index(
        "uq_knowledge_feedback_developer",
        "knowledge_feedback",
        ["knowledge_id", "developer_id"],
        unique=True,
        postgresql_where=sa.text("not by_admin"),
    )
    op.create_index(
        "uq_knowledge_feedback_admin", "knowledge_feedback", ["knowledge_id"], unique=True, postgresql_where=sa.text("by_admin")
    )


def downgrade() -> None:
    """An older version shows no item without evidence, and words corrected ones as their sessions did once these are read again."""
    op.drop_table("knowledge_feedback")
    op.drop_table("knowledge_revisions")
    op.drop_index("ix_knowledge_forgotten_project_id", "knowledge_forgotten")
    for column in ("embedding_model", "embedding", "numbers", "digest", "event_id", "project_id"):
        op.drop_column("knowledge_forgotten", column)
    for index in ("ix_knowledge_pinned", "uq_knowledge_recorded", "ix_knowledge_project_created", "ix_knowledge_team_created"):
        op.drop_index(index, "knowledge")
    for column in ("hidden", "stale", "wrong", "helpful", "corrected_at", "recorded_key", "paths"):
        op.drop_column("knowledge", column)


def _of_an_item(table: str) -> list[SchemaItem]:
    """The item that a row is about, and who wrote it."""
    return [
        sa.Column("knowledge_id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.Column("by_admin", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["knowledge_id"], ["knowledge.id"], name=op.f(f"fk_{table}_knowledge_id_knowledge"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["developer_id"], ["developers.id"], name=op.f(f"fk_{table}_developer_id_developers"), ondelete="SET NULL"),
    ]
