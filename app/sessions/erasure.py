"""Erases all sessions of a developer who was removed: a durable job, which goes on where it stopped, and a sweep for what comes late."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.errors import NotFound
from app.queue.jobs import NORMAL, Done, Job, NewJob, Progress, Queue
from app.sessions.intake import INGEST
from app.sessions.journal import CATCH_UP
from app.sessions.purge import Purge
from app.sessions.tables import CaptureRow, FollowedRow, SessionRow, UploadRow
from app.storage.database import Database

ERASE: Final = "erase_sessions"
"""The kind of the job."""
PAGE: Final = 20
"""Sessions that are looked up at once; each is purged in a transaction of its own."""


class Erasure:
    """Erases sessions by developer. `accounts` says whose sessions are to be erased, also those that come late."""

    def __init__(self, database: Database, accounts: Accounts, queue: Queue, purge: Purge) -> None:
        self._database = database
        self._accounts = accounts
        self._queue = queue
        self._purge = purge

    async def count(self, connection: AsyncConnection, developer_id: UUID) -> int:
        """Count a developer's sessions."""
        query = select(func.count()).select_from(SessionRow).where(SessionRow.developer_id == developer_id)
        return await connection.scalar(query) or 0

    async def forget_captures(self, connection: AsyncConnection, developer_id: UUID) -> None:
        """Forget by which ways a removed developer's sessions came, in the caller's transaction: nobody waits for them any more."""
        await connection.execute(delete(CaptureRow).where(CaptureRow.developer_id == developer_id))

    async def enqueue(self, connection: AsyncConnection, developer_id: UUID, team_id: UUID) -> UUID:
        """Add the job that erases a developer's sessions, in the caller's transaction. Returns its id.

        Jobs that would read or derive what is erased are taken out of its way.
        """
        for kind in (INGEST, CATCH_UP):
            await self._queue.cancel_of(connection, kind=kind, developers=[developer_id])
        job = NewJob(
            kind=ERASE,
            payload={"developer_id": str(developer_id)},
            team_id=team_id,
            lane=f"{ERASE}:{developer_id}",
            idempotency_key=str(developer_id),
            priority=NORMAL,
        )
        return await self._queue.enqueue(connection, job)

    async def job(self, job: Job, progress: Progress) -> Done:
        """Erase what the developer sent, waiting transcripts first: else one would become a session behind our back."""
        developer_id = UUID(job.payload["developer_id"])
        async with self._database.begin() as connection:
            left = await self.count(connection, developer_id)
        erased = await self._erase_waiting([developer_id])
        while gone := await self._erase_page([developer_id]):
            erased += gone
            await progress(erased, max(left, erased))
        return Done({"erased": erased})

    async def sweep(self) -> int:
        """Erase a page of what came after the job had run, from a request that was under way at the removal. Returns how many."""
        developers = await self._accounts.developers.to_erase()
        if not developers:
            return 0
        return await self._erase_waiting(developers) + await self._erase_page(developers)

    async def _erase_waiting(self, developers: Collection[UUID]) -> int:
        """Delete the transcripts that wait to be read, with their jobs, and how far growing ones were read. Returns how many waited."""
        ids = sorted(developers)
        async with self._database.begin() as connection:
            await self._queue.cancel_of(connection, kind=INGEST, developers=ids)
            await connection.execute(delete(FollowedRow).where(FollowedRow.owner_id.in_(ids)))
            return (await connection.execute(delete(UploadRow).where(UploadRow.developer_id.in_(ids)))).rowcount

    async def _erase_page(self, developers: Collection[UUID]) -> int:
        found = await self._page(developers)
        for team_id, session_id in found:
            try:
                await self._purge.erase(team_id, session_id)
            except NotFound:  # somebody else purged it meanwhile
                continue
        return len(found)

    async def _page(self, developers: Collection[UUID]) -> Sequence[tuple[UUID, UUID]]:
        theirs = or_(*(SessionRow.developer_id == each for each in sorted(developers)))
        query = select(SessionRow.team_id, SessionRow.id).where(theirs).order_by(SessionRow.id).limit(PAGE)
        async with self._database.begin() as connection:
            return [(row.team_id, row.id) for row in await connection.execute(query)]
