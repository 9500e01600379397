"""The place of an event in its session, as an expression for other rooms' statements."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ScalarSelect, SQLColumnExpression, select

from app.sessions.tables import EventRow


def seq_of(session_id: SQLColumnExpression[UUID], event_id: SQLColumnExpression[str]) -> ScalarSelect[int]:
    """Build the subquery of the seq of an event, by its id; null: it is not in the journal."""
    place = select(EventRow.seq).where(EventRow.session_id == session_id, EventRow.event_id == event_id)
    return place.correlate_except(EventRow).scalar_subquery()
