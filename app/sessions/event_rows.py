"""Reads events from their rows: the query of a page of a session, and the event that a row tells."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, Uuid, bindparam, func, select

from app.sessions.event import Event, ReplyUsage, ToolUse
from app.sessions.tables import EventRow
from app.storage.tables import AnyRow

UNREAD = {"session_id", "tool_output", "changed", "provisional", "text_hash"}
"""Columns of an event that are not read as they are stored."""


@cache
def page_query(*, cut: bool) -> Select[Any]:
    """Return the query of a page of events, made once: making it takes longer than many a page."""
    output = func.right(EventRow.tool_output, bindparam("chars", type_=Integer)) if cut else EventRow.tool_output
    columns = [column for column in EventRow.__table__.c if column.name not in UNREAD]
    between = EventRow.seq.between(bindparam("after", type_=Integer) + 1, bindparam("until", type_=Integer))
    query = select(*columns, output.label("output")).where(EventRow.session_id == bindparam("session", type_=Uuid), between)
    return query.order_by(EventRow.seq).limit(bindparam("rows", type_=Integer))


def event_of(row: AnyRow) -> Event:
    """Build an event from a journal row whose tool output is selected as `output`."""
    tool = usage = None
    if row.tool_name is not None:
        tool = ToolUse(row.tool_name, row.tool_input or "", row.output or "", row.exit_code)
    if row.input_tokens is not None:
        usage = ReplyUsage(row.input_tokens, row.output_tokens or 0, row.cached_tokens or 0, row.cost_nanousd)
    return Event(
        id=row.event_id,
        role=row.role,
        kind=row.kind,
        text=row.text,
        locator=row.locator,
        at=row.at,
        speaker=row.speaker,
        tool=tool,
        outcome=row.outcome,
        sidechain=row.sidechain,
        model=row.model,
        usage=usage,
        parent=row.parent,
        files=tuple(row.files or ()),
    )
