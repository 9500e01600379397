"""Accounts at an OpenID provider by which developers sign in to the dashboard.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "openid_accounts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("subject is not null or email is not null", name=op.f("ck_openid_accounts_someone")),
        sa.ForeignKeyConstraint(
            ["developer_id"], ["developers.id"], name=op.f("fk_openid_accounts_developer_id_developers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_openid_accounts")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_openid_accounts_issuer_subject")),
        sa.UniqueConstraint("developer_id", "issuer", name=op.f("uq_openid_accounts_developer_id_issuer")),
    )
    op.create_index(
        "ix_openid_accounts_awaited", "openid_accounts", ["issuer", "email"], unique=True, postgresql_where=sa.text("subject is null")
    )
    op.add_column("sign_ins", sa.Column("openid_account_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_sign_ins_openid_account_id_openid_accounts"),
        "sign_ins",
        "openid_accounts",
        ["openid_account_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index("ix_sign_ins_openid_account_id", "sign_ins", ["openid_account_id"])


def downgrade() -> None:
    op.execute("delete from sign_ins where openid_account_id is not null")
    op.drop_index("ix_sign_ins_openid_account_id", table_name="sign_ins")
    op.drop_constraint(op.f("fk_sign_ins_openid_account_id_openid_accounts"), "sign_ins", type_="foreignkey")
    op.drop_column("sign_ins", "openid_account_id")
    op.drop_table("openid_accounts")
