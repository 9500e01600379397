"""Finds the sessions that a job works, or has worked, on: the one place that knows where a payload names them. Knows no state of jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, cast, exists, func, literal
from sqlalchemy.dialects.postgresql import JSONB

from app.queue.forgetting import SUBJECTS
from app.sessions.tables import SessionRow

_ONE: Final = "session_id"
"""Field of the payload of a job that is of one session from the start; an ingest notes its sessions as it meets them."""


def sessions_of(payload: Mapping[str, Any]) -> set[UUID]:
    """Return the sessions that a payload names."""
    named = [*payload.get(SUBJECTS, ()), *([payload[_ONE]] if _ONE in payload else ())]
    return {UUID(str(each)) for each in named}


def works_on(payload: ColumnElement[Any], project_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Build the condition that a payload names a session of one of these projects."""
    several = func.coalesce(payload[SUBJECTS], literal([], JSONB)).op("||")(func.jsonb_build_array(payload[_ONE]))
    named = func.jsonb_array_elements_text(several).column_valued("named")
    return exists().where(SessionRow.id == cast(named, Uuid), SessionRow.project_id.in_(project_ids))
