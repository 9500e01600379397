"""Late results of tool calls: with completed last turns and adopted provisional events, the only updates to journalled events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Text, bindparam, func, update

from app.sessions.tables import EventRow
from app.storage.tables import AnyRow


def brings_result(known: AnyRow, row: dict[str, Any]) -> bool:
    """Tell whether `row` brings the result of a tool call that was journalled without one."""
    if known.tool_name is None or not known.no_output or (row["provisional"] is not None and known.outcome is not None):
        return False
    return bool(row["tool_output"]) or (known.outcome is None and row["outcome"] is not None)


RESULT = (
    update(EventRow)
    .where(EventRow.session_id == bindparam("in_session"), EventRow.event_id == bindparam("of_event"))
    .values(
        tool_output=bindparam("new_output"),
        exit_code=func.coalesce(bindparam("new_exit", type_=Integer), EventRow.exit_code),
        outcome=func.coalesce(bindparam("new_outcome", type_=Text), EventRow.outcome),
        provisional=func.coalesce(bindparam("told_as", type_=Text), EventRow.provisional),
        changed=bindparam("at_revision", type_=Integer),
    )
)


def result(session_id: UUID, row: dict[str, Any], revision: int) -> dict[str, Any]:
    """Return the parameters of RESULT. `revision`: the session's revision that this change creates."""
    return {
        "in_session": session_id,
        "of_event": row["event_id"],
        "new_output": row["tool_output"],
        "new_exit": row["exit_code"],
        "new_outcome": row["outcome"],
        "told_as": row["provisional"],
        "at_revision": revision,
    }
