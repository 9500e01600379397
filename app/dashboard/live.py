"""Live pages: server-sent events that say "changed", upon which the page reloads itself, so that pages are rendered in one way only.

Every few seconds an open page costs a check of its sign-in and a few index look-ups, which pages that show the same share.
The end of a sign-in ends its streams.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Literal
from uuid import UUID

import cachebox
from fastapi import APIRouter, Request, Response

from app.accounts.requester import Requester
from app.dashboard.visitor import PATH, Visitor, check_admin, visitor
from app.errors import NotAuthenticated, Unavailable
from app.services.administration import show_developer
from app.services.under_way import under_way_mark
from app.web.event_streams import Feed
from app.web.requester import services_of

Subject = Literal["budget", "team", "now", "knowledge", "system"]
STREAM_SECONDS = 600
KEEP_ALIVE_SECONDS = 15
MAX_NAME_CHARS = 200
CHANGED, ENDED, KEEP_ALIVE = b"event: changed\ndata: {}\n\n", b"event: ended\ndata: {}\n\n", b": here\n\n"


class LiveFeeds:
    """Counts the open live feeds, and paces their queries."""

    def __init__(self, *, max_feeds: int, seconds: float) -> None:
        self._max_feeds = max_feeds
        self._open = 0
        self.seconds = seconds
        self._marks: cachebox.TTLCache[Hashable, asyncio.Future[str]] = cachebox.TTLCache(max_feeds, seconds / 2)

    async def shared(self, key: Hashable, mark: Callable[[], Awaitable[str]]) -> str:
        """Return a mark that is at most `seconds` old: made once for all feeds of pages that show the same."""
        found: asyncio.Future[str] | None = self._marks.get(key)
        if found is None:
            found = self._marks[key] = asyncio.ensure_future(mark())
            found.add_done_callback(lambda done: self._drop(key, done))
        return await asyncio.shield(found)

    def _drop(self, key: Hashable, done: asyncio.Future[str]) -> None:
        """Let the next feed try again where a mark couldn't be made."""
        if (done.cancelled() or done.exception() is not None) and self._marks.get(key) is done:
            del self._marks[key]

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


async def mark_of(who: Visitor, of: Subject, *, developer: str | None = None, project: str = "") -> str:
    """Return a fingerprint of what the page shows, of a developer or a project: it changes whenever the page may."""
    match of:
        case "budget":
            shown = await show_developer(who.services, who.requester, developer or who.requester.developer or "")
            found = await who.services.budget.spending.read_version(shown.id, team=False)
        case "team":
            found = await who.services.budget.spending.read_version(who.requester.team_id, team=True)
        case "now":
            found = await under_way_mark(who.services, who.requester, project=project or None)
        case "knowledge":
            found = await who.services.knowledge.overview.mark(who.requester)
        case "system":
            found = str(int(time.time() / SYSTEM_SECONDS))
    return hashlib.sha256(found.encode()).hexdigest()[:16]


SYSTEM_SECONDS = 15
"""The system page reloads at the interval at which processes write their measurements."""

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("/live")
async def live(request: Request, of: Subject, since: str = "", developer: str | None = None, project: str = "") -> Response:
    feeds, exchange = feeds_of(request), services_of(request).messages
    asked = (developer, clean_project(project))

    async def mark() -> str:
        now = await visitor(request)  # each time: a sign-in ends, and a role changes, while the page is open
        if of == "system":
            check_admin(now)
        if of == "team":
            now.requester.check("read_team_budget")
        return await feeds.shared((of, asked, _share(now.requester, of)), lambda: mark_of(now, of, developer=asked[0], project=asked[1]))

    await mark()  # raise before the response starts, so that an error still has an HTTP status
    feeds.check()
    events = feeds.events(mark, since=since, over=lambda: exchange.stopping)
    return Feed(events, {}, unread=_nothing)


def _share(requester: Requester, of: Subject) -> tuple[UUID, UUID | None, frozenset[UUID]]:
    """Return whose page it is: the team's where all of it is shown, else the developer's too; and which projects it leaves out."""
    whole = of != "budget" and requester.may("read_captures") and requester.may("read_team_budget")
    return requester.team_id, None if whole else requester.developer_id, requester.closed


def clean_project(name: str) -> str:
    """Return a project's name as an address gives it, without what no name holds."""
    return name.replace("\x00", "")[:MAX_NAME_CHARS]


def feeds_of(request: Request) -> LiveFeeds:
    """Return the server's live feeds. Here, not in `state.py`, which imports this module."""
    found = request.app.state.dashboard.live
    assert isinstance(found, LiveFeeds)
    return found


async def _nothing() -> None:
    """Do nothing for a stream that was never read: it holds no resources."""
