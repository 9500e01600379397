"""One writer at a time in a project: what it knows is looked up and stored in one transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


async def hold_project(connection: AsyncConnection, project_id: UUID) -> None:
    """Keep other writers out of a project until the caller's transaction ends: two bursts of the same thing can't both find it unknown.

    Sessions are held first (`Journal.hold`), then their project, and of two projects the smaller id: nobody waits in a circle.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(project_id), 0))))
