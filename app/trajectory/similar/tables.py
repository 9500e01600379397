"""Rows of the sessions' shapes. Read and written only by `records`."""

from __future__ import annotations

import uuid

from sqlalchemy import ARRAY, ForeignKey, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base


class SessionShapeRow(Base):
    """The shape of a session; whose it is, and of which project, its session tells.

    `symbols`: a character a phase (`shapes.phases`); `firsts`: the seq at which each began; `dropped`: phases before these. `vector`: the
    temporal embedding in int8. `state`: the shape as it was at `settled_seq`, from which a longer session is read on.
    """

    __tablename__ = "session_shapes"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    symbols: Mapped[str]
    firsts: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    dropped: Mapped[int]
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    settled_seq: Mapped[int]
    state: Mapped[bytes] = mapped_column(LargeBinary)
