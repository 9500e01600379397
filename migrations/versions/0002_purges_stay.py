"""A purge outlives the uploads that waited when it happened; finished jobs are swept by an index.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions_purged",
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_sessions_purged_team_id_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "provider", "external_id", name=op.f("pk_sessions_purged")),
    )
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], unique=False, postgresql_where=sa.text("finished_at is not null"))
    op.drop_index("ix_jobs_team_created", table_name="jobs")


def downgrade() -> None:
    op.create_index("ix_jobs_team_created", "jobs", ["team_id", sa.literal_column("created_at desc")], unique=False)
    op.drop_index("ix_jobs_finished_at", table_name="jobs", postgresql_where=sa.text("finished_at is not null"))
    op.drop_table("sessions_purged")
