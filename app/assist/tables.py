"""Rows of what IDEs' hooks told of their sessions, and of what they were given. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class HookSessionRow(Base):
    """A session of an IDE, and where it works, as its client told. `session`: the agent's own id; `developer_id` null: an admin's.

    `project`: the name that was given; null: that of the repository, else of the folder.
    """

    __tablename__ = "hook_sessions"
    __table_args__ = (
        UniqueConstraint("team_id", "agent", "session"),
        Index("ix_hook_sessions_registered_at", "registered_at"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    developer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    agent: Mapped[str]
    session: Mapped[str]
    project: Mapped[str | None]
    repository: Mapped[str | None]
    branch: Mapped[str | None]
    directory: Mapped[str | None]
    registered_at: Mapped[CreatedAt]


class ServedKnowledgeRow(Base):
    """An item or passage that a session was given. No foreign key to it: what is deleted was given all the same."""

    __tablename__ = "served_knowledge"

    hook_session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hook_sessions.id", ondelete="CASCADE"), primary_key=True)
    knowledge_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    way: Mapped[str]
    at: Mapped[datetime]


class NudgeRow(Base):
    """A finding that a session was told of by a hook. `upto`: last event of the stretch that it held for then. One nudge a streak."""

    __tablename__ = "session_nudges"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    upto: Mapped[int]
    at: Mapped[CreatedAt]
