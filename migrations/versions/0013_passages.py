"""Passages: what was said, in pieces small enough to be found, each with its places; and how far the cutting of a session has come.

Sessions that were read before are cut by the backfill, by itself. The outbox names points of the index: items and passages alike.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passages",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("terms", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("late", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_passages_project_id_projects"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_passages_team_id_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
    )
    op.create_index("uq_passages_key", "passages", ["project_id", "key"], unique=True)
    op.create_index("ix_passages_terms", "passages", ["terms"], unique=False, postgresql_using="gin")
    for column in ("embedding", "late"):  # numbers don't get smaller: PostgreSQL needn't try
        op.execute(f"alter table passages alter column {column} set storage external")
    op.create_table(
        "passage_places",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("passage_id", sa.UUID(), nullable=False),
        sa.Column("exchange", sa.Integer(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sidechain", sa.Boolean(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("files", sa.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["passage_id"], ["passages.id"], name=op.f("fk_passage_places_passage_id_passages"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_passage_places_session_id_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "seq", "number", name=op.f("pk_passage_places")),
    )
    op.create_index("ix_passage_places_ordinal", "passage_places", ["session_id", "ordinal"], unique=False)
    op.create_index("ix_passage_places_newest", "passage_places", ["passage_id", sa.text("at desc nulls last")], unique=False)
    op.create_table(
        "passage_cuts",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_passage_cuts_session_id_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "seq", name=op.f("pk_passage_cuts")),
    )
    op.alter_column("index_outbox", "knowledge_id", new_column_name="point_id")


def downgrade() -> None:
    """What passages left in the vector index goes with the next rebuild: nothing of an older version asks for it."""
    op.execute("delete from index_outbox where point_id in (select id from passages)")
    op.alter_column("index_outbox", "point_id", new_column_name="knowledge_id")
    op.execute("delete from projection_checkpoints where projection = 'passages'")
    op.drop_table("passage_cuts")
    op.drop_table("passage_places")
    op.drop_table("passages")
