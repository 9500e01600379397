"""Writes lists of sessions and items as CSV. Knows nothing of what was said in a session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from fastapi import Request
from starlette.responses import StreamingResponse

from app.knowledge.reader import ShownItem
from app.sessions.reader import ShownSession
from app.web import spreadsheet
from app.web.fair_turns import exports_of

SESSION_NAMES = (
    "id", "began_at", "ended_at", "project", "developer", "agent", "model", "title", "transcript", "branch", "events", "redactions",
)  # fmt: skip
ITEM_NAMES = (
    "id", "first_at", "last_at", "project", "type", "title", "text", "paths", "origin", "freshness", "hidden", "evidence", "helpful",
    "wrong", "stale",
)  # fmt: skip


def csv_of_sessions(request: Request, sessions: AsyncGenerator[ShownSession]) -> StreamingResponse:
    """Write sessions as a file, streamed in turns with other exports."""
    lines = exports_of(request).lines(spreadsheet.line(SESSION_NAMES), sessions, _session_line)
    return StreamingResponse(lines, media_type=spreadsheet.MEDIA_TYPE, headers=spreadsheet.file_headers("sessions.csv"))


def csv_of_items(request: Request, items: AsyncGenerator[ShownItem]) -> StreamingResponse:
    """Write items as a file, streamed in turns with other exports."""
    lines = exports_of(request).lines(spreadsheet.line(ITEM_NAMES), items, _item_line)
    return StreamingResponse(lines, media_type=spreadsheet.MEDIA_TYPE, headers=spreadsheet.file_headers("items.csv"))


def _session_line(shown: ShownSession) -> str:
    session = shown.session
    times = (_time(session.began_at), _time(session.ended_at))
    origin = (shown.project, shown.developer, session.provider, session.model, session.title, session.transcript, session.branch)
    return spreadsheet.line([str(session.id), *times, *origin, session.event_count, sum(session.redactions.values())])


def _item_line(shown: ShownItem) -> str:
    item = shown.item
    times = (_time(item.created_at), _time(item.last_seen_at))
    words = (item.type, item.title, item.text, "\n".join(item.paths))
    judged = (item.origin, shown.freshness, "yes" if item.hidden else "no", item.evidence_count, item.helpful, item.wrong, item.stale)
    return spreadsheet.line([str(item.id), *times, shown.project, *words, *judged])


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
