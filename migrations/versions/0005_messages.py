"""Messages between agents, where no Redis keeps them: messages, groups, what a group has yet to acknowledge, dead letters.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "messages",
        _id(),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        _now("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_place", "messages", ["team_id", "channel", "id"], unique=False)
    op.create_index("ix_messages_at", "messages", ["at"], unique=False)
    op.create_table(
        "message_groups",
        _id(),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _now("seen_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_groups")),
        sa.UniqueConstraint("team_id", "channel", "name", name=op.f("uq_message_groups_team_id_channel_name")),
    )
    op.create_table(
        "message_deliveries",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        _now("visible_at"),
        sa.Column("consumer", sa.Text(), nullable=True),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["message_groups.id"], name=op.f("fk_message_deliveries_group_id_message_groups"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_deliveries_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "message_id", name=op.f("pk_message_deliveries")),
    )
    op.create_index("ix_message_deliveries_due", "message_deliveries", ["group_id", "visible_at", "message_id"], unique=False)
    op.create_index("ix_message_deliveries_message_id", "message_deliveries", ["message_id"], unique=False)
    op.create_table(
        "message_dead_letters",
        _id(),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _now("died_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_dead_letters")),
    )
    op.create_index(
        "ix_message_dead_letters_place", "message_dead_letters", ["team_id", "channel", sa.literal_column("id desc")], unique=False
    )
    op.create_index("ix_message_dead_letters_died_at", "message_dead_letters", ["died_at"], unique=False)


def downgrade() -> None:
    for name in ("message_dead_letters", "message_deliveries", "message_groups", "messages"):
        op.drop_table(name)
