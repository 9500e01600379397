"""The intents of what was said and learnt: those of the exchanges it comes from, for the index, for searches, and to index it anew.

Copies none of them: the room of trajectories has them, and says where they change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, ScalarSelect, Select, Text, and_, any_, bindparam, func, literal, literal_column, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.locks import lock_project
from app.knowledge.passage_tables import PassagePlaceRow, PassageRow
from app.knowledge.tables import EvidenceRow, ItemRow
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.trajectory.analysis import intent_at

MAX_LABELLED_PLACES = 2_000
"""Places of a passage, the newest, whose intents the index knows: `ok` may be in every session."""


def place_intent(places: str) -> str:
    """Write the expression of a place's intent. `places`: the name by which the statement calls `passage_places`."""
    at = intent_at(literal_column(f"{places}.session_id"), literal_column(f"{places}.seq"))
    return str(at.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


def evidence_has_intent() -> ColumnElement[bool]:
    """Build the condition that a piece of evidence lies in an exchange of one of the bound `intents`."""
    return any_(bindparam("intents", type_=ARRAY(Text))) == _EVIDENCE_INTENT


def passage_intents() -> ScalarSelect[Any]:
    """Build the subquery of a passage's intents, without order; null: none."""
    places = (
        select(PassagePlaceRow.session_id, PassagePlaceRow.seq)
        .where(PassagePlaceRow.passage_id == PassageRow.id)
        .order_by(PassagePlaceRow.at.desc().nulls_last())
        .limit(MAX_LABELLED_PLACES)
        .correlate(PassageRow)
        .subquery("places")
    )
    return _distinct(select(intent_at(places.c.session_id, places.c.seq).label("intent")).select_from(places))


def item_intents() -> ScalarSelect[Any]:
    """Build the subquery of an item's intents, without order; null: none, as of what a person recorded."""
    found = select(_EVIDENCE_INTENT.label("intent")).select_from(EvidenceRow).where(EvidenceRow.knowledge_id == ItemRow.id)
    return _distinct(found.correlate(ItemRow))


async def record_relabelled(connection: AsyncConnection, session: Session, stretches: Sequence[tuple[int, int | None]]) -> None:
    """Have indexed anew what was said and learnt in stretches of a session; see `trajectory.analysis.LabelFollower`.

    The project is locked, as where passages and items are written: what is written at the same time is either seen here, or indexed after.
    """
    await lock_project(connection, session.project_id)
    wanted = select(
        func.unnest(literal([first for first, _ in stretches], ARRAY(Integer))).label("first"),
        func.unnest(literal([following for _, following in stretches], ARRAY(Integer))).label("following"),
    ).subquery()
    learnt = (
        select(EvidenceRow.knowledge_id, Journal.seq_of(EvidenceRow.session_id, EvidenceRow.event_id).label("seq"))
        .where(EvidenceRow.session_id == session.id)
        .subquery()
    )

    def within(seq: Any) -> ColumnElement[bool]:
        return and_(seq >= wanted.c.first, or_(wanted.c.following.is_(None), seq < wanted.c.following))

    said = select(PassagePlaceRow.passage_id).join(wanted, within(PassagePlaceRow.seq)).where(PassagePlaceRow.session_id == session.id)
    changed = {*await connection.scalars(said.distinct())}
    changed |= {*await connection.scalars(select(learnt.c.knowledge_id).join(wanted, within(learnt.c.seq)).distinct())}
    await record_changes(connection, [ChangedPoint(each, session.project_id, session.team_id) for each in sorted(changed)])


def _distinct(found: Select[Any]) -> ScalarSelect[Any]:
    intent = found.subquery("labelled").c.intent
    return select(func.array_agg(func.distinct(intent))).where(intent.is_not(None)).scalar_subquery()


_EVIDENCE_INTENT = intent_at(EvidenceRow.session_id, Journal.seq_of(EvidenceRow.session_id, EvidenceRow.event_id))
