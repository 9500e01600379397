"""Announces changes of knowledge in their own transaction: to the index by the outbox, to cached results by a new version.

Call `record_changes` last in a transaction: it locks the projects' version rows until the commit, so its holder must then wait for no other
lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import OutboxRow, VersionRow

ALL_PROJECTS = UUID(int=0)
"""Project and team of the version row that stands for all projects of all teams."""


class ChangedPoint(NamedTuple):
    """An item or a passage that was inserted, updated or deleted: its id (that of its vector point too), project and team."""

    id: UUID
    project_id: UUID
    team_id: UUID


async def record_changes(connection: AsyncConnection, changed: Iterable[ChangedPoint]) -> None:
    """Write the changes to the outbox and bump their projects' versions: after the commit, no results cached before are served."""
    rows = list(changed)
    if not rows:
        return
    await connection.execute(insert(OutboxRow), [{"point_id": row.id, "project_id": row.project_id} for row in rows])
    scopes = sorted({(row.project_id, row.team_id) for row in rows})  # one order for every transaction: two can't deadlock
    await _bump_versions(connection, scopes)


async def invalidate_after_indexing(connection: AsyncConnection, projects: Collection[UUID | None]) -> None:
    """Bump the versions of projects whose changes the index has applied, since it may find other results now. None: all projects."""
    known = sorted({project for project in projects if project is not None})
    wanted = select(VersionRow.project_id).where(VersionRow.project_id.in_(known)).order_by(VersionRow.project_id).with_for_update()
    found = (await connection.scalars(wanted)).all()
    await connection.execute(update(VersionRow).where(VersionRow.project_id.in_(found)).values(version=func.gen_random_uuid()))
    if None in projects or len(found) < len(known):
        await invalidate_all(connection)


async def invalidate_projects(connection: AsyncConnection, scopes: Iterable[tuple[UUID, UUID]]) -> None:
    """Invalidate the cached results of these (project, team): what ranks or labels items changed, and nothing that the index holds."""
    await _bump_versions(connection, sorted(set(scopes)))


async def invalidate_all(connection: AsyncConnection) -> None:
    """Invalidate all cached results of all teams: the index was replaced, or data was purged."""
    await _bump_versions(connection, [(ALL_PROJECTS, ALL_PROJECTS)])


async def _bump_versions(connection: AsyncConnection, scopes: Iterable[tuple[UUID, UUID]]) -> None:
    row = upsert(VersionRow).values([{"project_id": project, "team_id": team} for project, team in scopes])
    await connection.execute(row.on_conflict_do_update(index_elements=["project_id"], set_={"version": func.gen_random_uuid()}))
