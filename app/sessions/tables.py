"""Rows of sessions: waiting uploads, the journal, checkpoints. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class UploadRow(Base):
    """A transcript waiting for the worker: the only unredacted bytes at rest, deleted in the job's last transaction."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("state in ('receiving', 'complete')", name="state_known"),
        Index("ix_uploads_created_at", "created_at"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    project: Mapped[str | None]
    transcript: Mapped[str]
    format: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="receiving")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    modified_at: Mapped[datetime | None]
    directory: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class UploadChunkRow(Base):
    """A zstd frame of at most 256 KiB of the file, in order of `seq`."""

    __tablename__ = "upload_chunks"

    upload_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class FollowedRow(Base):
    """The journalled length of a developer's growing transcript (`owner_id`; an admin's: the team), by the client's name of its file.

    `tail`: hash of the last bytes before `offset`, by which a client sees that the file was written anew. `ended`: its last line and calls
    without a result are journalled too. `created_at`: a session purged since then is not read again from this file.
    """

    __tablename__ = "followed_transcripts"
    __table_args__ = (Index("ix_followed_transcripts_updated_at", "updated_at"),)

    owner_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    offset: Mapped[int] = mapped_column(BigInteger)
    tail: Mapped[str]
    ended: Mapped[bool]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[CreatedAt]


class CaptureRow(Base):
    """A way by which a developer's sessions of an agent come. Nothing of what was said.

    `owner_id`: the developer's id; an admin's, whose `developer_id` is null: the team's. `way`: a `CaptureWay`. `last_at`: when something
    last came, to within a minute.
    """

    __tablename__ = "captures"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    agent: Mapped[str] = mapped_column(primary_key=True)
    way: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SessionRow(Base):
    """One conversation of a developer with an agent. Identity: (team, provider, external id).

    `event_count` is also the last event's seq. `revision`: raised by every append that changed something: new events, a late result.
    `file_dated_at`: the date in the file's name, else its modification time; used if the records have no time.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("team_id", "provider", "external_id"),
        Index("ix_sessions_team_started", "team_id", sql("started_at desc nulls last"), "id"),
        Index("ix_sessions_project_id", "project_id"),
        Index("ix_sessions_developer_id", "developer_id"),
        Index("ix_sessions_team_updated", "team_id", sql("updated_at desc")),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    provider: Mapped[str]
    external_id: Mapped[str]
    title: Mapped[str | None]
    transcript: Mapped[str]
    directory: Mapped[str | None]
    repository: Mapped[str | None]
    branch: Mapped[str | None]
    commit: Mapped[str | None]
    agent_version: Mapped[str | None]
    model: Mapped[str | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    file_dated_at: Mapped[datetime | None]
    event_count: Mapped[int] = mapped_column(server_default="0")
    revision: Mapped[int] = mapped_column(server_default="0")
    redactions: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PurgedSessionRow(Base):
    """A purge's tombstone: a transcript sent before `purged_at` and still waiting must not recreate the session."""

    __tablename__ = "sessions_purged"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    purged_at: Mapped[CreatedAt]


class EventRow(Base):
    """The journal: append-only, redacted. `seq` is the order of arrival within the session, from 1.

    `changed`: the session's revision at which the event was filled in later (a late result, an adoption); null: never.
    `provisional`: the id under which a hook told the event; equal to `event_id` until the transcript's record adopts it (a tool call has
    the same id in both). `text_hash`: of the words of a prompt, reply or notice, by which its record finds it.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("session_id", "event_id"),
        Index("ix_events_changed", "session_id", "changed", postgresql_where=sql("changed is not null")),
        Index("uq_events_provisional", "session_id", "provisional", unique=True, postgresql_where=sql("provisional is not null")),
        Index("ix_events_text_hash", "session_id", "text_hash", postgresql_where=sql("text_hash is not null")),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    role: Mapped[str]
    kind: Mapped[str]
    speaker: Mapped[str | None]
    text: Mapped[str]
    tool_name: Mapped[str | None]
    tool_input: Mapped[str | None]
    tool_output: Mapped[str | None]
    exit_code: Mapped[int | None]
    outcome: Mapped[str | None]
    locator: Mapped[str]
    at: Mapped[datetime | None]
    sidechain: Mapped[bool] = mapped_column(server_default=sql("false"))
    model: Mapped[str | None]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    cost_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    parent: Mapped[str | None]
    files: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    changed: Mapped[int | None]
    provisional: Mapped[str | None]
    text_hash: Mapped[int | None] = mapped_column(BigInteger)


class SessionServedRow(Base):
    """An item or passage that Cairn served into a session. `seq`: its event, by which the session had it.

    No foreign key to it: what is deleted was served all the same.
    """

    __tablename__ = "session_served_knowledge"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    knowledge_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]


class CheckpointRow(Base):
    """A projection's progress in a session: the seq and revision reached, in this version.

    `parked`: why it failed on this session in this version (null: it didn't); `attempts` so far; `retry_at`: time of the next attempt
    (null: none until the projection's version changes).
    """

    __tablename__ = "projection_checkpoints"
    __table_args__ = (Index("ix_projection_checkpoints_parked", "updated_at", postgresql_where=sql("parked is not null")),)

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    projection: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    seq: Mapped[int]
    revision: Mapped[int]
    parked: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    retry_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
