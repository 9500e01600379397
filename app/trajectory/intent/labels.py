"""The intent that holds at a place of a session, as an expression for other rooms' statements, and who is told when it changes.

A correction goes before what the classifier told. What knows only its place in a session is asked for by exchange: it has its prompt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.session import Session
from app.trajectory.intent.tables import IntentCorrectionRow, PromptIntentRow

_ONE: ColumnElement[int] = literal_column("1")
"""A limit that is no parameter, so that the expression can be written into a statement's text."""


def intent_at(session_id: SQLColumnExpression[Any], seq: SQLColumnExpression[Any]) -> ScalarSelect[Any]:
    """Build the subquery of the intent of the exchange that an event belongs to; null: before the first prompt, or not told yet."""
    told = PromptIntentRow.__table__.alias("told")
    held = IntentCorrectionRow.__table__.alias("held")
    corrected = (
        select(held.c.intent)
        .where(held.c.session_id == told.c.session_id, held.c.seq == told.c.seq)
        .order_by(held.c.id.desc())
        .limit(_ONE)
        .correlate_except(held)
        .scalar_subquery()
    )
    return (
        select(func.coalesce(corrected, told.c.intent))
        .where(told.c.session_id == session_id, told.c.seq <= seq, ~told.c.sidechain)
        .order_by(told.c.seq.desc())
        .limit(_ONE)
        .correlate_except(told)
        .scalar_subquery()
    )


class LabelFollower(Protocol):
    """Takes note that exchanges of a session have other intents, in the transaction that gives them these, as its last statements.

    `stretches`: their events, from a seq up to before another; None: to the session's end.
    """

    async def __call__(self, connection: AsyncConnection, session: Session, stretches: Sequence[tuple[int, int | None]], /) -> None: ...
