"""Live pages: server-sent events that say "changed", upon which the page reloads itself, so that pages are rendered in one way only.

Every few seconds an open page costs a check of its sign-in and one or two index look-ups. The end of a sign-in ends its streams.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response

from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import NotAuthenticated, NotPermitted, Unavailable
from app.web.disconnects import Feed
from app.web.requester import services_of

Subject = Literal["budget", "team", "knowledge", "system"]
STREAM_SECONDS = 600
KEEP_ALIVE_SECONDS = 15
CHANGED, ENDED, KEEP_ALIVE = b"event: changed\ndata: {}\n\n", b"event: ended\ndata: {}\n\n", b": here\n\n"


class LiveFeeds:
    """Counts the open live feeds, and paces their queries."""

    def __init__(self, *, max_feeds: int, seconds: float) -> None:
        self._max_feeds = max_feeds
        self._open = 0
        self.seconds = seconds

    def check(self) -> None:
        """Raise Unavailable when too many feeds are open."""
        if self._open >= self._max_feeds:
            raise Unavailable(
                "Too many live pages are open (dashboard.max_live): this one doesn't update by itself. Reload it for new figures.",
                retry_after=30,
            )

    async def events(self, mark: Callable[[], Awaitable[str]], *, since: str, over: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """Yield an event whenever `mark` changes, until the visitor leaves or is signed out, `over()`, or STREAM_SECONDS."""
        self._open += 1
        try:
            until, quiet_since = time.monotonic() + STREAM_SECONDS, time.monotonic()
            yield b"retry: 3000\n\n"
            while not over() and time.monotonic() < until:
                try:
                    found = await mark()
                except NotAuthenticated:
                    yield ENDED
                    return
                except Unavailable:
                    found = since  # the database is unavailable for the moment: keep what is shown
                if found != since:
                    since, quiet_since = found, time.monotonic()
                    yield CHANGED
                elif time.monotonic() - quiet_since > KEEP_ALIVE_SECONDS:
                    quiet_since = time.monotonic()
                    yield KEEP_ALIVE
                await asyncio.sleep(self.seconds)
        finally:
            self._open -= 1


async def mark_of(who: Visitor, of: Subject, developer: str | None) -> str:
    """Return a fingerprint of what the page shows: it changes whenever the page may."""
    match of:
        case "budget":
            subject = who.requester.developer_id
            if who.requester.is_admin:
                subject = (await who.services.accounts.find_developer(developer or "")).id
            assert subject is not None
            found = await who.services.budget.spending.read_version(subject, team=False)
        case "team":
            found = await who.services.budget.spending.read_version(who.requester.team_id, team=True)
        case "knowledge":
            knowledge = who.services.knowledge
            found = f"{await knowledge.overview.mark()} {await knowledge.unanswered.mark(who.requester.team_id)}"
        case "system":
            found = str(int(time.time() / SYSTEM_SECONDS))
    return hashlib.sha256(found.encode()).hexdigest()[:16]


SYSTEM_SECONDS = 15
"""The system page reloads at the interval at which processes write their measurements."""

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("/live")
async def live(request: Request, of: Subject, since: str = "", developer: str | None = None) -> Response:
    who = await visitor(request)
    if of in {"team", "system"} and not who.requester.is_admin:
        raise NotPermitted("This page is for admins. Your own budget is under My budget.")

    async def mark() -> str:
        return await mark_of(await visitor(request), of, developer)

    await mark()  # raise before the response starts, so that an error still has an HTTP status
    feeds, exchange = feeds_of(request), services_of(request).messages
    feeds.check()
    events = feeds.events(mark, since=since, over=lambda: exchange.stopping)
    return Feed(events, {}, unread=_nothing)


def feeds_of(request: Request) -> LiveFeeds:
    """Return the server's live feeds. Here, not in `state.py`, which imports this module."""
    found = request.app.state.dashboard.live
    assert isinstance(found, LiveFeeds)
    return found


async def _nothing() -> None:
    """Do nothing for a stream that was never read: it holds no resources."""
