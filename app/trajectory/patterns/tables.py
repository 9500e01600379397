"""Rows of the troubles that patterns are derived from. Written with the analysis of their session; nothing here holds what was said."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base


class TroubleEpisodeRow(Base):
    """A trouble of a session and what followed it; see `episodes.TroubleEpisode`. Its shapes are symbols of `shapes.phases`."""

    __tablename__ = "trouble_episodes"
    __table_args__ = (
        Index("ix_trouble_episodes_project_id_signature", "project_id", "signature"),
        Index("ix_trouble_episodes_team_id", "team_id"),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    told: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    first: Mapped[int]
    last: Mapped[int]
    trouble: Mapped[str]
    family: Mapped[str]
    signature: Mapped[int] = mapped_column(BigInteger)
    tool: Mapped[str]
    failing: Mapped[str]
    ended: Mapped[str]
    outcome: Mapped[str | None]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
