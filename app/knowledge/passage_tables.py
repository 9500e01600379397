"""Tables of passages: what was said, with its places and the saved states of the cutting. Read and written only in this room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt, Id


class PassageRow(Base):
    """A passage: a piece of a project's dialogue, stored once however often it was said; `PassagePlaceRow` tells where.

    `key`: SHA-256 of its words (`passages.passage.Passage.key`), 32 bytes. `tokens`: of `text` with its heading. `terms`: ids of its
    lexical terms as signed 32-bit integers, ascending: searched while the vector store is away. `embedding`: see `neighbours.pack_half`.
    `late`: packed token vectors (`embeddings.late_interaction`). `made_by`: the model and the version of the projection that computed these
    columns; with another one they are computed anew.
    """

    __tablename__ = "passages"
    __table_args__ = (
        Index("uq_passages_key", "project_id", "key", unique=True),
        Index("ix_passages_terms", "terms", postgresql_using="gin"),
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    key: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str]
    heading: Mapped[str]
    tokens: Mapped[int]
    terms: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    made_by: Mapped[str]
    late: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


class PassagePlaceRow(Base):
    """One place where a passage was said: piece `number` (from 0) of the session's event `seq`.

    `ordinal`: index among the session's passages, from 0; `exchange`: the number of its prompt. `kind`: see `passages.passage.SourceKind`.
    `prompt`: the beginning of the prompt it replies to; empty for a prompt itself. `locator`, `at`: those of its event; an event without a
    time has the session's beginning as `at`.
    """

    __tablename__ = "passage_places"
    __table_args__ = (
        Index("ix_passage_places_ordinal", "session_id", "ordinal"),
        Index("ix_passage_places_newest", "passage_id", text("at desc nulls last")),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    ordinal: Mapped[int]
    passage_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("passages.id", ondelete="CASCADE"))
    exchange: Mapped[int]
    locator: Mapped[str]
    at: Mapped[datetime | None]
    role: Mapped[str]
    kind: Mapped[str]
    sidechain: Mapped[bool]
    prompt: Mapped[str]
    files: Mapped[list[str]] = mapped_column(ARRAY(Text))


class PassageCutRow(Base):
    """A saved state of the cutting (`passages.cut.CutState`) after the event `seq`: cutting resumes from there."""

    __tablename__ = "passage_cuts"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]]
