"""The projection `uses`: notices which of what Cairn served into a session it used, and whether the person accepted that.

Reads the whole session each time, since what was said before something was served decides whether it was news; a session that was served
nothing is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.use_records import UseRecords
from app.knowledge.uses.noticing import MAX_READ_CHARS, NoticedUse, notice_uses
from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.storage.generator_thread import through_thread

USES_VERSION = "3"
"""Raise it whenever the same events would show other uses: all sessions are then read again."""
MAX_OUTPUT_CHARS = MAX_READ_CHARS
"""Characters read of a tool's output, from its end: a name that stands in one is no news of Cairn's. One that is longer may have any."""


class UsesProjection:
    """The sessions' projection into uses of knowledge; see `app.sessions.projections`."""

    name = "uses"
    version = USES_VERSION
    whole = True
    result_field = "uses"
    counted = ("accepted", "refused")

    def __init__(self, *, journal: Journal, records: UseRecords) -> None:
        self._journal = journal
        self._records = records

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Make the session's uses exactly those that its journal shows now."""
        served = await self._records.served_texts(session)
        uses: list[NoticedUse] = []
        if served:
            events = self._journal.numbered(session.id, after=after, until=session.event_count, max_output_chars=MAX_OUTPUT_CHARS)

            def notice(numbered: Iterator[tuple[int, Event]]) -> Iterator[NoticedUse]:
                yield from notice_uses(served, numbered)

            uses = [use async for batch in through_thread(events, notice, batch=64) for use in batch]
        await self._records.replace(session, uses, checkpointed)
        accepted = sum(each.accepted for each in uses)
        return Projected(counts={"accepted": accepted, "refused": len(uses) - accepted})

    async def unchanged(self, session_id: UUID) -> Counts:
        found = await self._records.counts(session_id)
        return {"accepted": found.used, "refused": found.refused}

    async def drain(self, mark: int) -> None:
        """Return at once: what was used changes no vector."""

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move nothing: a use belongs to its session and to what it used, wherever they are."""

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw a session's uses. Returns their number."""
        return await self._records.withdraw_session(connection, session)
