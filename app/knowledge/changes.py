"""A change of knowledge is said in its own transaction, once: to the index through the outbox, to answers that were kept by a new version.

Its last statement: the row of a version is locked until the commit, and whoever holds it waits for nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import OutboxRow, Version

EVERYWHERE = UUID(int=0)
"""Stands for every project of every team."""


class Changed(NamedTuple):
    """An item or a passage that was stored, altered or deleted, and where it belongs."""

    point: UUID
    project_id: UUID
    team_id: UUID


async def note(connection: AsyncConnection, changed: Iterable[Changed]) -> None:
    """These changed in this transaction: once it is committed no answer from before is given again."""
    rows = list(changed)
    if not rows:
        return
    await connection.execute(insert(OutboxRow), [{"point_id": row.point, "project_id": row.project_id} for row in rows])
    places = sorted({(row.project_id, row.team_id) for row in rows})  # one order for every transaction: two can't deadlock
    await _renew(connection, places)


async def heard(connection: AsyncConnection, projects: Collection[UUID | None]) -> None:
    """The index has heard of changes in these projects (None: of one that isn't known any more): it may answer otherwise now."""
    known = sorted({project for project in projects if project is not None})
    wanted = select(Version.project_id).where(Version.project_id.in_(known)).order_by(Version.project_id).with_for_update()
    found = (await connection.scalars(wanted)).all()
    await connection.execute(update(Version).where(Version.project_id.in_(found)).values(version=func.gen_random_uuid()))
    if None in projects or len(found) < len(known):
        await everywhere(connection)


async def everywhere(connection: AsyncConnection) -> None:
    """Another index, or an order to forget: no answer of any team is given again."""
    await _renew(connection, [(EVERYWHERE, EVERYWHERE)])


async def _renew(connection: AsyncConnection, places: Iterable[tuple[UUID, UUID]]) -> None:
    row = upsert(Version).values([{"project_id": project, "team_id": team} for project, team in places])
    await connection.execute(row.on_conflict_do_update(index_elements=["project_id"], set_={"version": func.gen_random_uuid()}))
