"""Per-project write lock: looking up what a project knows and storing into it must be one critical section."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


async def lock_project(connection: AsyncConnection, project_id: UUID) -> None:
    """Lock a project against other writers until the caller's transaction ends, so that two can't both find the same thing new.

    Lock order, against deadlocks: sessions first (`Journal.lock_against_deletion`), then projects, by ascending id.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(project_id), 0))))
