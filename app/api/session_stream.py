"""The route that streams a session while it goes on: events as they are journalled, what is found in them, and what was learnt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Query, Response

from app.services.session_stream import SessionUpdate, open_session_stream
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.event_streams import Feed
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=AuthenticatedRoute)

MAX_SECONDS = 900
KEEP_ALIVE = b": keep-alive\n\n"
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `event` (new), `changed` (told before, filled in since), `finding` (activity, health, a loop, a"
        " broken rule; told again where it changes; `helped`: what the project knows of the error that a loop or a broken rule shows, in"
        " the reader's own session), `intent` (of the prompt `seq`; told again where a person corrects it), `knowledge` (learnt here).",
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
    description="From its beginning, or from where a stream ended (`last-event-id`, as an EventSource sends itself). Of another's"
    " session it tells what happened, not what was said: texts, tools' inputs and outputs, and what findings say in words, are empty.",
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
    opened = await open_session_stream(services, caller, session_id, last_id=last_event_id)

    async def unread() -> None:
        opened.close()

    return Feed(_frames(opened.updates(seconds)), {}, unread=unread)


async def _frames(updates: AsyncGenerator[SessionUpdate | None]) -> AsyncGenerator[bytes]:
    async with aclosing(updates) as following:
        async for each in following:
            yield KEEP_ALIVE if each is None else _frame(each)


def _frame(update: SessionUpdate) -> bytes:
    return f"event: {update.name}\nid: {update.id}\ndata: ".encode() + msgspec.json.encode(update.fields) + b"\n\n"
