"""Rows of accounts. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.requester import DeveloperRole, Openness, PromptAction
from app.storage.tables import Base, CreatedAt, Id


class TeamRow(Base):
    __tablename__ = "teams"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


class DeveloperRow(Base):
    """Names are unique over all teams: the routes name a developer without the team. `role`: a `DeveloperRole`.

    `disabled_at`: since then the keys and sign-ins are refused; null: they aren't. `removed_at`: the row stays, under another name, since
    the ledger, sessions and knowledge refer to it; it is disabled too, and `former_name` is the one that it had. `erase_sessions`: what
    sessions it has are erased.
    """

    __tablename__ = "developers"
    __table_args__ = (
        CheckConstraint("monthly_limit_nanousd >= 0", name="limit_not_negative"),
        CheckConstraint("role in ('admin', 'lead', 'developer', 'auditor')", name="role_known"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    monthly_limit_nanousd: Mapped[int] = mapped_column(BigInteger)
    role: Mapped[DeveloperRole] = mapped_column(Text, server_default="developer")
    disabled_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    former_name: Mapped[str | None]
    erase_sessions: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]


class ProjectRow(Base):
    """A project: the repository or folder that sessions, and the knowledge from them, belong to.

    `identity`: what its sessions have in common (`identity.ProjectIdentity.key`; null: only its name); `base`: its name there; `owner`:
    what tells it from another of that name. `former_names`: those it had before it was renamed. `merged_into`: it is that one now, and so
    is what comes under its name or identity. `open`: an `Openness`; one open to members is closed to everybody else but leads and admins.
    `prompts_shown_since`: since then what is said in its sessions is shown to those who may read it (`prompts`); null: it isn't.
    """

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("team_id", "name"),
        UniqueConstraint("team_id", "identity"),
        CheckConstraint("open in ('team', 'members')", name="open_known"),
        Index("ix_projects_merged_into", "merged_into", postgresql_where=text("merged_into is not null")),
        Index("ix_projects_closed", "team_id", postgresql_where=text("open = 'members'")),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    name: Mapped[str]
    identity: Mapped[str | None]
    base: Mapped[str | None]
    owner: Mapped[str | None]
    former_names: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    merged_into: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    open: Mapped[Openness] = mapped_column(Text, server_default="team")
    prompts_shown_since: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ProjectMemberRow(Base):
    """A developer whom a project is open to while it is open to members only. Of the project's team: only one function writes it."""

    __tablename__ = "project_members"
    __table_args__ = (Index("ix_project_members_developer_id", "developer_id"),)

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    developer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[CreatedAt]


class PromptAuditRow(Base):
    """An entry of the audit of prompts, written before what it tells of; a trigger refuses to change or delete it.

    `action`: a `PromptAction`. `project_name`: as it was called then. `by_id`: who did it; null: the admin key, or somebody whose row is
    gone. Of a reading: `session_id` (no foreign key: it may be purged), `author_id`, whose session it is, and the first and last event that
    was shown. Holds nothing of what was said.
    """

    __tablename__ = "prompt_audit"
    __table_args__ = (
        CheckConstraint("action in ('shown', 'hidden', 'merged', 'read', 'exported')", name="action_known"),
        Index("ix_prompt_audit_team_id", "team_id", text("id desc")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    action: Mapped[PromptAction] = mapped_column(Text)
    by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))
    project_name: Mapped[str | None]
    session_id: Mapped[uuid.UUID | None]
    author_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    first_seq: Mapped[int | None]
    last_seq: Mapped[int | None]
    at: Mapped[CreatedAt]


class ApiKeyRow(Base):
    """`lookup` is the key's public part, `digest` = HMAC-SHA256(secret key, whole key). The key itself is never stored.

    `name`: unique among a developer's active keys. `expires_at` null: never. `last_used_at`: to within a minute; null: never.
    `models`: names and patterns of the models that it may ask for; null: every one. Its limit stands in the ledger.
    """

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_developer_id", "developer_id"),)

    id: Mapped[Id]
    developer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    lookup: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str]
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class InvitationRow(Base):
    """A one-time link by which a developer gets a key. `digest` = HMAC-SHA256(secret key, token); the token itself is never stored.

    `created_by`: the name of the admin. `key_id`: the key that it was used for.
    """

    __tablename__ = "invitations"
    __table_args__ = (Index("ix_invitations_developer_id", "developer_id"), Index("ix_invitations_key_id", "key_id"))

    id: Mapped[Id]
    developer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_by: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    key_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="SET NULL"))


class OpenIdAccountRow(Base):
    """A developer's account at an OpenID provider: `issuer` and `subject` say whose it is, for ever.

    `subject` null: an admin has linked a developer to an address, `email`, which hasn't signed in yet. Later `email` is what the provider
    said last. A removed developer's stays: else whoever was removed could come back as somebody new.
    """

    __tablename__ = "openid_accounts"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        UniqueConstraint("developer_id", "issuer"),
        CheckConstraint("subject is not null or email is not null", name="someone"),
        Index("ix_openid_accounts_awaited", "issuer", "email", unique=True, postgresql_where=text("subject is null")),
    )

    id: Mapped[Id]
    developer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("developers.id", ondelete="CASCADE"))
    issuer: Mapped[str]
    subject: Mapped[str | None]
    email: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]


class SignInRow(Base):
    """A browser's stand-in for a key or for an account at an OpenID provider, until `ends_at`.

    Neither `key_id` nor `openid_account_id`: the admin's; `admin_digest` is then of the key it began with.
    """

    __tablename__ = "sign_ins"
    __table_args__ = (
        Index("ix_sign_ins_key_id", "key_id"),
        Index("ix_sign_ins_openid_account_id", "openid_account_id"),
        Index("ix_sign_ins_ends_at", "ends_at"),
    )

    id: Mapped[Id]
    key_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    openid_account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("openid_accounts.id", ondelete="CASCADE"))
    admin_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    ends_at: Mapped[datetime]
