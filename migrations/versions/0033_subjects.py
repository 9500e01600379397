"""What each item is about: the names of files, symbols, settings, tools, services and tickets; the branch that a session taught it on.

Which item replaces which, and the values that an item says are given up.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_COLUMNS = (
    "subjects_version integer default 0 not null",
    "gives_up text[] default '{}' not null",
    "worded_at timestamp with time zone",
)


def upgrade() -> None:
    # Each in a transaction of its own, so that no reader waits while the index is built, which locks only writers out. Repeated after a failure.
    # Not concurrently: that would wait for the processes that wait for this migration.
    with op.get_context().autocommit_block():
        for column in _COLUMNS:
            op.execute(f"alter table knowledge add column if not exists {column}")  # none rewrites the table: constants and nulls
        op.create_index(
            "ix_knowledge_gives_up", "knowledge", ["project_id"], postgresql_where=sa.text("gives_up <> '{}'"), if_not_exists=True
        )
    op.create_table(
        "knowledge_subjects",
        sa.Column("knowledge_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("teams.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("knowledge_id", "kind", "name", name="pk_knowledge_subjects"),
        sa.CheckConstraint(
            "kind in ('file', 'symbol', 'setting', 'tool', 'service', 'ticket')", name=op.f("ck_knowledge_subjects_kind_known")
        ),
    )
    op.create_index("ix_knowledge_subjects_name", "knowledge_subjects", ["team_id", "name"])
    op.create_table(
        "knowledge_supersessions",
        sa.Column("older_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("newer_id", sa.Uuid(), sa.ForeignKey("knowledge.id", ondelete="CASCADE"), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Uuid(), sa.ForeignKey("developers.id", ondelete="SET NULL"), nullable=True),
        sa.Column("by_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("older_id", "newer_id", name="pk_knowledge_supersessions"),
    )
    op.create_index("ix_knowledge_supersessions_newer_id", "knowledge_supersessions", ["newer_id"])
    # Few items are corrected.
    op.execute(
        "update knowledge set worded_at = said.at from (select knowledge_id, max(at) as at from knowledge_revisions"
        " where action = 'corrected' and (title is not null or text is not null) group by knowledge_id) as said"
        " where said.knowledge_id = knowledge.id and knowledge.corrected_at is not null"
    )
    op.add_column("knowledge_evidence", sa.Column("branch", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_table("knowledge_supersessions")
    op.drop_index("ix_knowledge_gives_up", table_name="knowledge")
    op.drop_column("knowledge", "gives_up")
    op.drop_table("knowledge_subjects")
    op.drop_column("knowledge_evidence", "branch")
    op.drop_column("knowledge", "worded_at")
    op.drop_column("knowledge", "subjects_version")
