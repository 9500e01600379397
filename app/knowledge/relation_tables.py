"""Tables of what items have to do with each other and with other things: subjects, replacements and contradictions.

Read and written only in this room.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base, CreatedAt


class SubjectRow(Base):
    """A subject of an item (`subjects.naming`). `team_id`: the item's, so that one index finds a name without other teams' rows."""

    __tablename__ = "knowledge_subjects"
    __table_args__ = (
        CheckConstraint("kind in ('file', 'symbol', 'setting', 'tool', 'service', 'ticket')", name="kind_known"),
        Index("ix_knowledge_subjects_name", "team_id", "name"),
    )

    knowledge_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))


class SupersessionRow(Base):
    """A link: the later item `newer_id` says, in `words`, that what the item `older_id` says is replaced. Said at `said_at`.

    `undone_at`: a person undid it, so it isn't made again (`words` empty: nothing says them any more); `undone_by` null: an admin
    (`by_admin`), or somebody who was removed.
    `cause`: `said` by the later item; or a person `decided` between two that contradict each other, or `merged` the one into the other. A
    person's link stays when the items are reworded, may replace the later one, and has no `words`. `made_by` null: nobody (it was said),
    an admin (`made_by_admin`), or somebody who was removed.
    """

    __tablename__ = "knowledge_supersessions"
    __table_args__ = (
        CheckConstraint("cause in ('said', 'decided', 'merged')", name="cause_known"),
        Index("ix_knowledge_supersessions_newer_id", "newer_id"),
        Index(
            "ix_knowledge_supersessions_people", "older_id", "newer_id", postgresql_where=text("cause <> 'said' or undone_at is not null")
        ),
    )

    older_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    newer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    words: Mapped[str]
    said_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    by_admin: Mapped[bool] = mapped_column(server_default=false())
    cause: Mapped[str] = mapped_column(server_default="said")
    made_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    made_by_admin: Mapped[bool] = mapped_column(server_default=false())


class ContradictionRow(Base):
    """Two items of a project that can't both hold, by their sentences `words` and `other_words`. `one_id` is the smaller id.

    `decision`: a person's, once there is one: which of the two holds, or that both do. Then the pair isn't shown again, and stays when it
    is reworded. `decided_by` null: an admin (`by_admin`), or somebody who was removed. `words` are empty where nothing says them any more.
    `number` is its place in lists, `team_id` the items'.
    """

    __tablename__ = "knowledge_contradictions"
    __table_args__ = (
        CheckConstraint("one_id < other_id", name="ids_in_order"),
        CheckConstraint("decision in ('one', 'other', 'both')", name="decision_known"),
        Index("ix_knowledge_contradictions_other_id", "other_id"),
        Index("ix_knowledge_contradictions_team_id", "team_id", "number", postgresql_where=text("decision is null")),
    )

    one_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    other_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("knowledge.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    words: Mapped[str]
    other_words: Mapped[str]
    created_at: Mapped[CreatedAt]
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("developers.id", ondelete="SET NULL"))
    by_admin: Mapped[bool] = mapped_column(server_default=false())
