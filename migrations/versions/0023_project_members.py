"""Whom a project is open to: its team, or named members; and of which project a question was that found no answer.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("open", sa.Text(), server_default="team", nullable=False))
    op.create_check_constraint(op.f("ck_projects_open_known"), "projects", "open in ('team', 'members')")
    op.create_index("ix_projects_closed", "projects", ["team_id"], postgresql_where=sa.text("open = 'members'"))
    op.create_table(
        "project_members",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["developer_id"], ["developers.id"], name=op.f("fk_project_members_developer_id_developers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "developer_id", name=op.f("pk_project_members")),
    )
    op.create_index("ix_project_members_developer_id", "project_members", ["developer_id"])
    nowhere = sa.text("'00000000-0000-0000-0000-000000000000'")
    op.add_column("knowledge_unanswered", sa.Column("project_id", sa.UUID(), server_default=nowhere, nullable=False))
    op.drop_constraint(op.f("pk_knowledge_unanswered"), "knowledge_unanswered", type_="primary")
    op.create_primary_key(op.f("pk_knowledge_unanswered"), "knowledge_unanswered", ["team_id", "project_id", "question"])


def downgrade() -> None:
    op.execute("delete from knowledge_unanswered where project_id <> '00000000-0000-0000-0000-000000000000'")
    op.drop_constraint(op.f("pk_knowledge_unanswered"), "knowledge_unanswered", type_="primary")
    op.drop_column("knowledge_unanswered", "project_id")
    op.create_primary_key(op.f("pk_knowledge_unanswered"), "knowledge_unanswered", ["team_id", "question"])
    op.drop_table("project_members")
    op.drop_index("ix_projects_closed", table_name="projects")
    op.drop_column("projects", "open")
