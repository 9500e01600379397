"""Writes lists of sessions and items as CSV. Knows nothing of what was said in a session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from fastapi import Request
from starlette.responses import StreamingResponse

from app.knowledge.reader import ShownItem
from app.sessions.reader import ShownSession
from app.web import spreadsheet

SESSION_NAMES = (
    "id", "began_at", "ended_at", "project", "developer", "agent", "model", "title", "transcript", "branch", "events", "redactions",
)  # fmt: skip
ITEM_NAMES = (
    "id", "first_at", "last_at", "project", "type", "title", "text", "paths", "origin", "freshness", "hidden", "evidence", "helpful",
    "wrong", "stale",
)  # fmt: skip


def csv_of_sessions(request: Request, sessions: AsyncGenerator[ShownSession]) -> StreamingResponse:
    """Write sessions as a file."""
    return spreadsheet.stream(request, "sessions.csv", SESSION_NAMES, sessions, _session_cells)


def csv_of_items(request: Request, items: AsyncGenerator[ShownItem]) -> StreamingResponse:
    """Write items as a file."""
    return spreadsheet.stream(request, "items.csv", ITEM_NAMES, items, _item_cells)


def _session_cells(shown: ShownSession) -> Sequence[object]:
    session = shown.session
    times = (_time(session.began_at), _time(session.ended_at))
    origin = (shown.project, shown.developer, session.provider, session.model, session.title, session.transcript, session.branch)
    return [str(session.id), *times, *origin, session.event_count, sum(session.redactions.values())]


def _item_cells(shown: ShownItem) -> Sequence[object]:
    item = shown.item
    times = (_time(item.created_at), _time(item.last_seen_at))
    words = (item.type, item.title, item.text, "\n".join(item.paths))
    judged = (item.origin, shown.freshness, "yes" if item.hidden else "no", item.evidence_count, item.helpful, item.wrong, item.stale)
    return [str(item.id), *times, shown.project, *words, *judged]


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
