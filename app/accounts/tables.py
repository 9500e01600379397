"""Rows of accounts. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.requester import DeveloperRole
from app.storage.tables import Base, CreatedAt, Id


class TeamRow(Base):
    __tablename__ = "teams"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


class DeveloperRow(Base):
    """Names are unique over all teams: the routes name a developer without the team. `role`: a `DeveloperRole`."""

    __tablename__ = "developers"
    __table_args__ = (
        CheckConstraint("monthly_limit_nanousd >= 0", name="limit_not_negative"),
        CheckConstraint("role in ('lead', 'developer', 'auditor')", name="role_known"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    monthly_limit_nanousd: Mapped[int] = mapped_column(BigInteger)
    role: Mapped[DeveloperRole] = mapped_column(Text, server_default="developer")
    created_at: Mapped[CreatedAt]


class ProjectRow(Base):
    """A project: the repository or folder that sessions, and the knowledge from them, belong to.

    `identity`: what its sessions have in common (`identity.ProjectIdentity.key`; null: only its name); `base`: its name there; `owner`:
    what tells it from another of that name. `merged_into`: it is that one now, and so is what comes under its name or identity.
    """

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("team_id", "name"),
        UniqueConstraint("team_id", "identity"),
        Index("ix_projects_merged_into", "merged_into", postgresql_where=text("merged_into is not null")),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    name: Mapped[str]
    identity: Mapped[str | None]
    base: Mapped[str | None]
    owner: Mapped[str | None]
    merged_into: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]


class ApiKeyRow(Base):
    """`lookup` is the key's public part, `digest` = HMAC-SHA256(secret key, whole key). The key itself is never stored."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_developer_id", "developer_id"),)

    id: Mapped[Id]
    developer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    lookup: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    revoked_at: Mapped[datetime | None]


class SignInRow(Base):
    """A browser's stand-in for a key, until `ends_at`. `key_id` null: the admin's; `admin_digest` is then of the key it began with."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index("ix_sign_ins_key_id", "key_id"), Index("ix_sign_ins_ends_at", "ends_at"))

    id: Mapped[Id]
    key_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    admin_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    ends_at: Mapped[datetime]
