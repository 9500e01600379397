"""Keys have names, expiry and last use; developers are disabled and removed, or admins; invitations.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_NAME_EXISTING = """
update api_keys set name = named.day || case when named.number = 1 then '' else '-' || named.number end
from (
    select id, day, row_number() over (partition by developer_id, day order by created_at, id) as number
    from (select id, developer_id, created_at, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') as day from api_keys) as days
) as named
where named.id = api_keys.id
"""
_REVOKE_ENDED = """
update api_keys set revoked_at = now() from developers
where developers.id = api_keys.developer_id and api_keys.revoked_at is null
    and (developers.disabled_at is not null or api_keys.expires_at <= now())
"""


def upgrade() -> None:
    op.add_column("developers", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("developers", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("developers", sa.Column("erase_sessions", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.drop_constraint(op.f("ck_developers_role_known"), "developers")
    op.create_check_constraint(op.f("ck_developers_role_known"), "developers", "role in ('admin', 'lead', 'developer', 'auditor')")
    op.add_column("api_keys", sa.Column("name", sa.Text(), nullable=True))
    op.execute(_NAME_EXISTING)
    op.alter_column("api_keys", "name", nullable=False)
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "invitations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["developer_id"], ["developers.id"], name=op.f("fk_invitations_developer_id_developers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_invitations_key_id_api_keys"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    op.create_index("ix_invitations_developer_id", "invitations", ["developer_id"], unique=False)
    op.create_index("ix_invitations_key_id", "invitations", ["key_id"], unique=False)
    op.create_index("ix_sessions_developer_id", "sessions", ["developer_id"], unique=False)


def downgrade() -> None:
    """Revoke what an older version would accept: keys that have expired, and those of disabled developers. Admins become leads there."""
    op.execute(_REVOKE_ENDED)
    op.drop_index("ix_sessions_developer_id", table_name="sessions")
    op.drop_index("ix_invitations_key_id", table_name="invitations")
    op.drop_index("ix_invitations_developer_id", table_name="invitations")
    op.drop_table("invitations")
    op.drop_column("api_keys", "last_used_at")
    op.drop_column("api_keys", "expires_at")
    op.drop_column("api_keys", "name")
    op.drop_constraint(op.f("ck_developers_role_known"), "developers")
    op.execute("update developers set role = 'lead' where role = 'admin'")
    op.create_check_constraint(op.f("ck_developers_role_known"), "developers", "role in ('lead', 'developer', 'auditor')")
    op.drop_column("developers", "erase_sessions")
    op.drop_column("developers", "removed_at")
    op.drop_column("developers", "disabled_at")
