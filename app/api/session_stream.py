"""The route that streams a session while it goes on: events as they are journalled, and what was learnt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Query, Response

from app.accounts.requester import Requester
from app.knowledge.item import ItemFilter
from app.services import Services
from app.sessions.stream import StreamedEvent, StreamPosition, parse_position, position_id
from app.web.authenticated_route import AuthenticatedRoute
from app.web.disconnects import Feed
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=AuthenticatedRoute)

POLL_SECONDS, KEEP_ALIVE_SECONDS, MAX_SECONDS = 0.5, 15.0, 900
LEARNT_SECONDS = 5.0
"""Pause between questions for what was learnt while a session stands still: it is learnt after the events come."""
MAX_ITEMS = 50
KEEP_ALIVE = b": keep-alive\n\n"
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `event` (new), `changed` (told before, filled in since), `knowledge` (learnt here).",
        "content": {
            "text/event-stream": {
                "example": 'event: event\nid: 3.2\ndata: {"seq": 3, "kind": "prompt", "text": "Why NATS?", …}\n\n: keep-alive\n\n'
            }
        },
    }
}


@router.get(
    "/{session_id}/stream",
    summary="Follow a session as server-sent events",
    description="From its beginning, or from where a stream ended (`last-event-id`, as an EventSource sends itself). Ends after that.",
    responses=EVENTS | responses(),
    response_class=Response,
)
async def stream(
    services: TheServices,
    caller: Reader,
    session_id: UUID,
    *,
    seconds: Annotated[int, Query(ge=0, le=MAX_SECONDS, description="When to end. 0: after what there is now.")] = MAX_SECONDS,
    last_event_id: Annotated[str | None, Header(description="The id of the last event received.")] = None,
) -> Response:
    position = parse_position(last_event_id)
    await services.sessions.reader.show(caller, session_id)  # before the response starts, so that an error still has an HTTP status
    counted = ExitStack()
    counted.enter_context(services.sessions.stream.counted(caller))

    async def unread() -> None:
        counted.close()

    return Feed(_events(services, caller, session_id, position, seconds, counted.close), {}, unread=unread)


async def _events(
    services: Services, caller: Requester, session_id: UUID, position: StreamPosition, seconds: int, ended: Callable[[], None]
) -> AsyncGenerator[bytes]:
    """Yield what comes until the client disconnects, the server stops, or the time is over."""
    clock = asyncio.get_running_loop().time
    until, told_at, ask_at, learnt = clock() + seconds, clock(), clock(), datetime(2000, 1, 1, tzinfo=UTC)
    try:
        yield KEEP_ALIVE
        while True:
            found, after = await services.sessions.stream.since(caller, session_id, position)
            for each in found:
                yield _frame("changed" if each.changed else "event", _view(each), each.position)
            items: list[dict[str, object]] = []
            if after != position or clock() >= ask_at:
                position, ask_at = after, min(clock() + LEARNT_SECONDS, until)
                items, learnt = await _learnt(services, caller, session_id, learnt)
            for item in items:
                yield _frame("knowledge", item, position)
            if found or items:
                told_at = clock()
                ask_at = told_at if items else ask_at
                continue
            if services.messages.stopping or clock() >= until:
                return
            if clock() - told_at >= KEEP_ALIVE_SECONDS:
                told_at = clock()
                yield KEEP_ALIVE
            await asyncio.sleep(POLL_SECONDS)
    finally:
        ended()


async def _learnt(services: Services, caller: Requester, session_id: UUID, since: datetime) -> tuple[list[dict[str, object]], datetime]:
    """Return the items first learnt from the session since, the oldest first, and from when to ask next."""
    page = await services.knowledge.reader.list(caller, ItemFilter(session_id=session_id, since=since), limit=MAX_ITEMS)
    items = [each.item for each in reversed(page.items)]
    views: list[dict[str, object]] = [
        {"id": each.id, "type": each.type, "title": each.title, "text": each.text, "untrusted": True} for each in items
    ]
    return views, max([since, *(each.created_at + timedelta(microseconds=1) for each in items)])


def _view(streamed: StreamedEvent) -> dict[str, object]:
    event = streamed.event
    tool = event.tool and {
        "name": event.tool.name,
        "input": event.tool.input,
        "output": event.tool.output,
        "exit_code": event.tool.exit_code,
    }
    return {
        "seq": streamed.seq,
        "id": event.id,
        "kind": event.kind,
        "role": event.role,
        "text": event.text,
        "at": event.at,
        "tool": tool,
        "outcome": event.outcome,
        "model": event.model,
        "locator": event.locator,
        "untrusted": True,
    }


def _frame(name: str, data: dict[str, object], position: StreamPosition) -> bytes:
    return b"event: " + name.encode() + b"\nid: " + position_id(position).encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
