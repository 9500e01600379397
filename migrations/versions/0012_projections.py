"""The journal as the spine: what a session has reached, how far each projection has come with it, and priorities of jobs. Provenance.

What extraction had learnt becomes the checkpoint of the projection `items`; sessions that it lacks are projected by the backfill.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SESSION_TEXTS = ("directory", "repository", "branch", "commit", "agent_version", "model")
EVENT_TOKENS = ("input_tokens", "output_tokens", "cached_tokens")
READY = sa.text("state in ('queued', 'running')")
FROM_LEARNT = """
insert into projection_checkpoints (session_id, projection, version, seq, revision, updated_at)
select s.id, 'items', split_part(l.fingerprint, ':', 1), least(split_part(l.fingerprint, ':', 2)::integer, s.event_count),
       case when substring(l.fingerprint from '^[^:]*:[^:]*:(.*)$')::timestamptz = s.updated_at then s.revision else 0 end, l.learnt_at
  from knowledge_learnt_sessions l join sessions s on s.id = l.session_id
 where l.fingerprint ~ '^[^:]+:[0-9]{1,9}:[0-9]{4}-[0-9]{2}-[0-9]{2}T'
"""
TO_LEARNT = """
insert into knowledge_learnt_sessions (session_id, fingerprint, learnt_at)
select s.id, c.version || ':' || s.event_count || ':' || to_char(s.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00',
       c.updated_at
  from projection_checkpoints c join sessions s on s.id = c.session_id
 where c.projection = 'items' and c.parked is null and c.seq = s.event_count and c.revision = s.revision
"""
RENAME = """
update jobs set kind = '{new}', idempotency_key = '{new}:' || substring(idempotency_key from {after}) where kind = '{old}' and state = 'queued'
"""


def upgrade() -> None:
    op.add_column("sessions", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.execute("update sessions set revision = 1 where event_count > 0")
    op.add_column("events", sa.Column("changed", sa.Integer(), nullable=True))
    op.create_index("ix_events_changed", "events", ["session_id", "changed"], unique=False, postgresql_where=sa.text("changed is not null"))
    op.create_table(
        "projection_checkpoints",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("parked", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_projection_checkpoints_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "projection", name=op.f("pk_projection_checkpoints")),
    )
    op.create_index(
        "ix_projection_checkpoints_parked",
        "projection_checkpoints",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("parked is not null"),
    )
    op.execute(FROM_LEARNT)
    op.drop_table("knowledge_learnt_sessions")
    op.add_column("jobs", sa.Column("priority", sa.SmallInteger(), server_default="1", nullable=False))
    op.create_index("ix_jobs_priority", "jobs", ["priority", "run_at"], unique=False, postgresql_where=READY)
    op.execute(RENAME.format(old="learn", new="catch_up", after=len("learn:") + 1))
    for name in SESSION_TEXTS:
        op.add_column("sessions", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("file_dated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("uploads", sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("model", "parent"):
        op.add_column("events", sa.Column(name, sa.Text(), nullable=True))
    for name in EVENT_TOKENS:
        op.add_column("events", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("events", sa.Column("cost_nanousd", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("files", sa.ARRAY(sa.Text()), nullable=True))
    for name in ("identity", "base", "owner"):
        op.add_column("projects", sa.Column(name, sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_projects_team_id_identity"), "projects", ["team_id", "identity"])
    op.add_column("projects", sa.Column("merged_into", sa.UUID(), nullable=True))
    op.create_foreign_key(op.f("fk_projects_merged_into_projects"), "projects", "projects", ["merged_into"], ["id"], ondelete="CASCADE")
    op.create_index(
        "ix_projects_merged_into", "projects", ["merged_into"], unique=False, postgresql_where=sa.text("merged_into is not null")
    )


def downgrade() -> None:
    op.drop_index("ix_projects_merged_into", "projects")
    op.drop_column("projects", "merged_into")
    op.drop_constraint(op.f("uq_projects_team_id_identity"), "projects", type_="unique")
    for name in ("identity", "base", "owner"):
        op.drop_column("projects", name)
    for name in ("model", "parent", *EVENT_TOKENS, "cost_nanousd", "files"):
        op.drop_column("events", name)
    op.drop_column("uploads", "modified_at")
    for name in (*SESSION_TEXTS, "file_dated_at"):
        op.drop_column("sessions", name)
    op.execute("delete from jobs where kind = 'backfill' and state = 'queued'")
    op.execute(RENAME.format(old="catch_up", new="learn", after=len("catch_up:") + 1))
    op.drop_index("ix_jobs_priority", "jobs")
    op.drop_column("jobs", "priority")
    op.create_table(
        "knowledge_learnt_sessions",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("learnt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_knowledge_learnt_sessions_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_knowledge_learnt_sessions")),
    )
    op.execute(TO_LEARNT)
    op.drop_table("projection_checkpoints")
    op.drop_index("ix_events_changed", "events")
    op.drop_column("events", "changed")
    op.drop_column("sessions", "revision")
