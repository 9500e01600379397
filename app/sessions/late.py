"""Late results of calls and late usage of replies: with completed last turns and adopted events, the only updates to the journal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Text, bindparam, func, update

from app.sessions.tables import EventRow
from app.storage.tables import AnyRow


def brings_result(known: AnyRow, row: dict[str, Any]) -> bool:
    """Tell whether `row` brings the result of a tool call that was journalled without one."""
    if known.tool_name is None or not known.no_output or (row["provisional"] is not None and known.outcome is not None):
        return False
    return bool(row["tool_output"]) or (known.outcome is None and row["outcome"] is not None)


def brings_usage(known: AnyRow, row: dict[str, Any]) -> bool:
    """Tell whether `row` brings the tokens of an event that was journalled before they were reported."""
    return known.input_tokens is None and row["input_tokens"] is not None


RESULT = (
    update(EventRow)
    .where(EventRow.session_id == bindparam("in_session"), EventRow.event_id == bindparam("of_event"))
    .values(
        tool_output=func.coalesce(bindparam("new_output", type_=Text), EventRow.tool_output),
        exit_code=func.coalesce(bindparam("new_exit", type_=Integer), EventRow.exit_code),
        outcome=func.coalesce(bindparam("new_outcome", type_=Text), EventRow.outcome),
        input_tokens=func.coalesce(EventRow.input_tokens, bindparam("new_input", type_=Integer)),
        output_tokens=func.coalesce(EventRow.output_tokens, bindparam("new_output_tokens", type_=Integer)),
        cached_tokens=func.coalesce(EventRow.cached_tokens, bindparam("new_cached", type_=Integer)),
        cost_nanousd=func.coalesce(EventRow.cost_nanousd, bindparam("new_cost", type_=BigInteger)),
        provisional=func.coalesce(bindparam("told_as", type_=Text), EventRow.provisional),
        changed=bindparam("at_revision", type_=Integer),
    )
)


def result(session_id: UUID, row: dict[str, Any], revision: int, *, of_call: bool) -> dict[str, Any]:
    """Return the parameters of RESULT. `revision`: the session's, that this change creates; `of_call`: it brings a call's result."""
    return {
        "in_session": session_id,
        "of_event": row["event_id"],
        "new_output": row["tool_output"] if of_call else None,
        "new_exit": row["exit_code"] if of_call else None,
        "new_outcome": row["outcome"] if of_call else None,
        "new_input": row["input_tokens"],
        "new_output_tokens": row["output_tokens"],
        "new_cached": row["cached_tokens"],
        "new_cost": row["cost_nanousd"],
        "told_as": row["provisional"],
        "at_revision": revision,
    }
