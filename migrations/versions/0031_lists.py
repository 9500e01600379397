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

COMPOSED = "update {table} set {column} = normalize({column}){also} where {column} is not normalized"
UNLESS_TAKEN = (
    " and not exists (select from {table} other where other.id <> {table}.id and {within}"
    " normalize(other.{column}) = normalize({table}.{column}))"
)
OF_TEAM = "other.team_id = projects.team_id and"


def upgrade() -> None:
    op.add_column("projects", sa.Column("former_names", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    # Names are composed (NFC) from now on: one that a Mac's folder gave is found under the same name as before, and its sessions belong to
    # the same project. The old spelling stays beside it: calls were logged under it, and those of a closed project stay closed.
    _compose("projects", "name", within=OF_TEAM, also=", former_names = array[name]")
    _compose("projects", "identity", within=OF_TEAM)
    for column in ("base", "owner"):
        op.execute(COMPOSED.format(table="projects", column=column, also=""))
    _compose("teams", "name")
    _compose("developers", "name")
    op.execute(COMPOSED.format(table="api_keys", column="name", also=""))
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


def _compose(table: str, column: str, *, within: str = "", also: str = "") -> None:
    """Compose the values of a unique column, but for those that two rows would share."""
    statement = COMPOSED + UNLESS_TAKEN
    op.execute(statement.format(table=table, column=column, within=within, also=also))
