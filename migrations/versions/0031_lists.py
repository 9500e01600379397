"""The names that projects had before they were renamed, by which calls in the request log are labelled, and developers before they were
removed; the list of a team's jobs.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("former_names", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    # Names are composed (NFC) from now on: one that a Mac's folder gave is found under the same name as before.
    op.execute(
        "update projects set name = normalize(name) where name is not normalized"
        " and not exists (select from projects other where other.team_id = projects.team_id and other.id <> projects.id"
        " and normalize(other.name) = normalize(projects.name))"
    )
    op.add_column("developers", sa.Column("former_name", sa.Text(), nullable=True))
    op.execute(
        "update developers set former_name = regexp_replace(name, ' - removed [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9a-f]{8}$', '')"
        " where removed_at is not null"
    )
    op.create_index("ix_jobs_team_created", "jobs", ["team_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_team_created", table_name="jobs")
    op.drop_column("developers", "former_name")
    op.drop_column("projects", "former_names")
