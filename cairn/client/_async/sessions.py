"""Sessions: uploaded, appended to, listed, shown, followed, purged."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import asdict, replace
from typing import Unpack

import httpx2

from cairn.client._async.jobs import AsyncJobs, AsyncPendingJob
from cairn.client._async.runtime import sleep
from cairn.client._async.sources import Source, content_of
from cairn.client._async.streams import AsyncStream
from cairn.client._async.transport import AsyncTransport
from cairn.client.endpoints import ANALYSIS, APPEND, FOLLOW, PATTERNS, PURGE, SESSION, SESSIONS, SIMILAR, UPLOAD
from cairn.client.errors import CairnError
from cairn.client.inputs import SessionFilters, UploadOptions
from cairn.client.reading import read
from cairn.client.records.analysis import SessionAnalysis
from cairn.client.records.patterns import PatternPage
from cairn.client.records.sessions import (
    Appended,
    Event,
    Purged,
    Session,
    SessionDetails,
    SessionPage,
    SimilarSessions,
    StreamedEvent,
    StreamedItem,
)
from cairn.client.requests import Given, ndjson
from cairn.client.retries import RetryPolicy
from cairn.client.transfer import event_data

MAX_STREAM_SECONDS = 900
"""The longest that the server keeps a stream open: following goes on with another."""
PAUSE_SECONDS = 0.5
RESUMING = RetryPolicy(retries=8, first_wait=0.5)
"""A stream that was open once is opened again for a minute or two: as long as a server takes to be restarted."""


class AsyncSessions:
    """Coding sessions: `client.sessions`."""

    def __init__(self, transport: AsyncTransport, jobs: AsyncJobs) -> None:
        self._transport = transport
        self._jobs = jobs

    async def upload(self, source: Source, **options: Unpack[UploadOptions]) -> AsyncPendingJob:
        """Send a transcript: a file by its path, an open binary file, or bytes. It is streamed, never held whole.

        Returns the job that reads it: `wait` for it, and what was said can be found. Sent again, whole or grown, it adds only what is new.
        """
        content = await content_of(source)
        query = {"name": content.name, "modified_at": content.modified_at, **options}
        accepted = await self._transport.call(UPLOAD, Given(query=query, content=content.chunks, once=content.once))
        return AsyncPendingJob(accepted.job_id, self._jobs)

    async def append(self, session: str, events: Iterable[Event], *, project: str | None = None) -> Appended:
        """Append events to a live session, which its first events create. `session`: its id in the editor, or in Cairn.

        All are accepted, or none. An event whose id is stored already changes nothing: after an error, send them again.
        """
        content = ndjson([asdict(each) for each in events])
        return await self._transport.call(APPEND, Given(path={"session": session}, query={"project": project}, content=content))

    async def get(self, session_id: str) -> SessionDetails:
        """Show a session, how far it has been read, and what it cost."""
        return await self._transport.call(SESSION, Given(path={"session_id": session_id}))

    async def similar(self, session_id: str, *, limit: int | None = None) -> SimilarSessions:
        """Return the team's sessions that are like one, the likest first, with why."""
        return await self._transport.call(SIMILAR, Given(path={"session_id": session_id}, query={"limit": limit}))

    async def analysis(self, session_id: str, *, cursor: str | None = None, limit: int | None = None) -> SessionAnalysis:
        """Show a page of a session's analysis: exchanges in order, and what was found. `cursor`: `next_cursor` of the page before."""
        return await self._transport.call(ANALYSIS, Given(path={"session_id": session_id}, query={"limit": limit, "cursor": cursor}))

    async def patterns(
        self, *, project: str | None = None, min_sessions: int | None = None, cursor: str | None = None, limit: int | None = None
    ) -> PatternPage:
        """Return one page of the troubles that recur in at least so many sessions (2), those with most and latest evidence first."""
        query = {"project": project, "min_sessions": min_sessions, "limit": limit, "cursor": cursor}
        return await self._transport.call(PATTERNS, Given(query=query))

    async def purge(self, session_id: str) -> Purged:
        """Delete a session with all that was learnt from it alone. For its author, a lead or an admin."""
        return await self._transport.call(PURGE, Given(path={"session_id": session_id}))

    async def page(self, *, cursor: str | None = None, limit: int | None = None, **filters: Unpack[SessionFilters]) -> SessionPage:
        """Return one page of sessions, the latest first unless `order` says otherwise. `cursor`: `next_cursor` of the page before."""
        return await self._transport.call(SESSIONS, Given(query={**filters, "limit": limit, "cursor": cursor}))

    async def list(self, *, page_size: int | None = None, **filters: Unpack[SessionFilters]) -> AsyncIterator[Session]:
        """Iterate over all sessions, the latest first unless `order` says otherwise. Pages are asked for as they are needed."""
        async for each in self._transport.every(SESSIONS, Given(query={**filters, "limit": page_size}), "sessions"):
            yield each

    def follow(
        self, session_id: str, *, after: str | None = None, seconds: float | None = None
    ) -> AsyncStream[StreamedEvent | StreamedItem]:
        """Follow a session: its events as they come, those filled in since (`changed`), and the items learnt from it.

        From its beginning, or `after` the `position` of what was told last. Ends after `seconds` (0: with what there is now), else never;
        a connection that breaks is made again, and nothing is told twice.
        """
        return AsyncStream(self._follow(session_id, after, None if seconds is None else time.monotonic() + seconds))

    async def _follow(self, session_id: str, position: str | None, until: float | None) -> AsyncGenerator[StreamedEvent | StreamedItem]:
        failures, opened, items = 0, False, set[str]()  # a stream that is opened again tells all items again
        while True:
            left = MAX_STREAM_SECONDS if until is None else max(0, min(MAX_STREAM_SECONDS, round(until - time.monotonic())))
            given = Given(path={"session_id": session_id}, query={"seconds": left}, headers={"last-event-id": position})
            pause = PAUSE_SECONDS
            try:
                async with self._transport.stream(FOLLOW, given) as events:
                    opened = True
                    async for event in events:
                        failures, position = 0, event.id or position
                        update = _update(event)
                        if update is None or (isinstance(update, StreamedItem) and update.id in items):
                            continue
                        if isinstance(update, StreamedItem):
                            items.add(update.id)
                        yield update
                if until is not None and time.monotonic() >= until - PAUSE_SECONDS:
                    return
            except CairnError as error:
                wait = RESUMING.wait(failures, error, repeatable=True) if opened and self._transport.retries.retries else None
                if wait is None:
                    raise
                failures, pause = failures + 1, wait
            await sleep(pause)


def _update(event: httpx2.ServerSentEvent) -> StreamedEvent | StreamedItem | None:
    """Read an update; None for one that only a newer client knows. Raises the error that a stream ends with."""
    told = event_data(event)
    match event.event:
        case "event" | "changed":
            found: StreamedEvent = read(StreamedEvent, told)
            return replace(found, position=event.id, changed=event.event == "changed")
        case "knowledge":
            item: StreamedItem = read(StreamedItem, told)
            return replace(item, position=event.id)
        case _:
            return None
