"""Events of a request, read as those of a live session: for what looks at them and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.services.services import Services
from app.sessions.event import Event, GivenEvent, too_many_events
from app.sessions.live_events import event_of


async def read_given(services: Services, events: Sequence[GivenEvent]) -> Sequence[Event]:
    """Read a request's events, off the event loop. InvalidInput where there are more than one request may hold."""
    limit = services.settings.sessions.max_live_events
    if len(events) > limit:
        raise too_many_events(len(events), limit=limit)
    return await asyncio.to_thread(lambda: [event_of(each) for each in events])
