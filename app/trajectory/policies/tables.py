"""Rows of projects' policies. Read and written only in this package."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class ProjectPoliciesRow(Base):
    """A project's settings of its policies, whole; the newest row counts, the earlier ones are its history.

    `changed_by` null: the admin key, or a developer who was removed.
    """

    __tablename__ = "project_policies"
    __table_args__ = (Index("ix_project_policies_project_id_changed_at", "project_id", "changed_at"),)

    id: Mapped[Id]
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    content: Mapped[dict[str, Any]]
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    changed_at: Mapped[CreatedAt]
