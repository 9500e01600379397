"""Announces changes of knowledge in their own transaction: to the index by the outbox, to cached answers by a new version.

Call it last in a transaction: it locks the version's row until the commit, so a holder of that lock must wait for nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import OutboxRow, VersionRow

EVERYWHERE = UUID(int=0)
"""Stands for all projects of all teams."""


class ChangedItem(NamedTuple):
    """An item or a passage that was inserted, updated or deleted, and its project and team."""

    point: UUID
    project_id: UUID
    team_id: UUID


async def record_changes(connection: AsyncConnection, changed: Iterable[ChangedItem]) -> None:
    """Write the changes to the outbox and renew their projects' versions: after the commit, no earlier cached answer is served."""
    rows = list(changed)
    if not rows:
        return
    await connection.execute(insert(OutboxRow), [{"point_id": row.point, "project_id": row.project_id} for row in rows])
    places = sorted({(row.project_id, row.team_id) for row in rows})  # one order for every transaction: two can't deadlock
    await _renew(connection, places)


async def index_caught_up(connection: AsyncConnection, projects: Collection[UUID | None]) -> None:
    """Renew the versions of projects whose changes the index has applied, since it may answer differently now. None: all projects."""
    known = sorted({project for project in projects if project is not None})
    wanted = select(VersionRow.project_id).where(VersionRow.project_id.in_(known)).order_by(VersionRow.project_id).with_for_update()
    found = (await connection.scalars(wanted)).all()
    await connection.execute(update(VersionRow).where(VersionRow.project_id.in_(found)).values(version=func.gen_random_uuid()))
    if None in projects or len(found) < len(known):
        await invalidate_all(connection)


async def invalidate_all(connection: AsyncConnection) -> None:
    """Invalidate all cached answers of all teams: the index was replaced, or data was purged."""
    await _renew(connection, [(EVERYWHERE, EVERYWHERE)])


async def _renew(connection: AsyncConnection, places: Iterable[tuple[UUID, UUID]]) -> None:
    row = upsert(VersionRow).values([{"project_id": project, "team_id": team} for project, team in places])
    await connection.execute(row.on_conflict_do_update(index_elements=["project_id"], set_={"version": func.gen_random_uuid()}))
