"""The table of the PostgreSQL tier. Read and written only in this room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt


class CachedRow(Base):
    """A cached value with its expiry. `key`: a digest of all that the value depends on, including its team.

    `hits`: how often it was returned; the most used entries are loaded at a start.
    """

    __tablename__ = "cache_entries"
    __table_args__ = (Index("ix_cache_entries_ends_at", "ends_at"),)

    cache: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    ends_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    hits: Mapped[int] = mapped_column(BigInteger, server_default="0")
