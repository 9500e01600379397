"""Decides which projects are closed to whom: a project is open to its team, or to its members.

A requester carries the ids of the projects that are closed to them (`Requester.closed`), computed here with their key or sign-in and
invalidated like it; whoever sends sessions without a requester at hand, such as a job, is checked here in the writing transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Function, Select, Text, Uuid, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.accounts.projects import check_current, hold_projects
from app.accounts.requester import CLOSED, PERMISSIONS
from app.accounts.tables import DeveloperRow, ProjectMemberRow, ProjectRow
from app.accounts.views import OpennessChange, ProjectView
from app.errors import Conflict, InvalidInput, NotPermitted
from app.redaction.labels import check_label
from app.storage.revisions import check_revision

SEE_ALL = sorted(role for role, permissions in PERMISSIONS.items() if "manage_members" in permissions)
"""Roles that every project of the team is open to."""
MAX_MEMBERS = 1000


def closed_to_developer() -> Function[list[UUID]]:
    """Select, as an array, the projects that are closed to the developer of the enclosing query."""
    into = aliased(ProjectRow)
    member = select(ProjectMemberRow).where(ProjectMemberRow.project_id == into.id, ProjectMemberRow.developer_id == DeveloperRow.id)
    closed = (
        select(ProjectRow.id)  # those merged into a closed one too: what was noted under their ids is as closed
        .join(into, or_(ProjectRow.id == into.id, ProjectRow.merged_into == into.id))
        .where(into.team_id == DeveloperRow.team_id, into.open == "members", into.merged_into.is_(None))
        .where(DeveloperRow.role.not_in(SEE_ALL), ~member.correlate(into, DeveloperRow).exists())
    )
    return func.array(closed.correlate(DeveloperRow).scalar_subquery(), type_=ARRAY(Uuid))


def shown_projects(team_id: UUID, name: str | None = None) -> Select[*tuple[Any, ...]]:
    """Select the columns of `ProjectView` of the team's projects, by name; or of the one that is, or once was, called so."""
    names = (
        select(DeveloperRow.name)
        .join(ProjectMemberRow, ProjectMemberRow.developer_id == DeveloperRow.id)
        .where(ProjectMemberRow.project_id == ProjectRow.id, DeveloperRow.removed_at.is_(None))
        .order_by(DeveloperRow.name)
    )
    members = func.array(names.correlate(ProjectRow).scalar_subquery(), type_=ARRAY(Text))
    columns = (ProjectRow.id, ProjectRow.name, ProjectRow.identity, ProjectRow.owner, ProjectRow.created_at, ProjectRow.open)
    query = (
        select(*columns, members, ProjectRow.prompts_shown_since)
        .where(ProjectRow.team_id == team_id, ProjectRow.merged_into.is_(None))
        .order_by(ProjectRow.name)
    )
    if name is None:
        return query
    called = select(func.coalesce(ProjectRow.merged_into, ProjectRow.id)).where(ProjectRow.team_id == team_id, ProjectRow.name == name)
    return query.where(ProjectRow.id.in_(called))


async def check_project_revision(connection: AsyncConnection, team_id: UUID, project_id: UUID, revision: str) -> None:
    """Raise ChangedMeanwhile unless the project is at this revision, NotFound for another team's, in the caller's transaction.

    Until that ends, nobody else renames a project of the team, or says whom it is open to.
    """
    await hold_projects(connection, team_id)
    await check_current(connection, team_id, project_id)
    found = ProjectView(*(await connection.execute(shown_projects(team_id).where(ProjectRow.id == project_id))).one())
    check_revision(revision, found.revision, f"The project {found.name}")


async def check_open_to(connection: AsyncConnection, project_id: UUID, developer_id: UUID | None) -> None:
    """Raise NotPermitted if the project is closed to the developer. None: the admin key, to which all are open."""
    if developer_id is None:
        return
    if project_id in await read_closed_to(connection, developer_id):
        raise NotPermitted(CLOSED)


async def read_closed_to(connection: AsyncConnection, developer_id: UUID) -> frozenset[UUID]:
    """Return the projects that are closed to a developer now."""
    closed = await connection.scalar(select(closed_to_developer()).where(DeveloperRow.id == developer_id))
    return frozenset(closed or ())


async def change_openness(connection: AsyncConnection, team_id: UUID, project_id: UUID, wanted: OpennessChange) -> None:
    """Change whom a project is open to, in the caller's transaction. A project that opens to its team has no members any more.

    A developer who was removed stays a member, unseen: what they sent before may still wait to be read, and nobody could name them again.
    NotFound for another team's project; InvalidInput for a name that isn't a developer's of the team, and for members of an open project.
    """
    await hold_projects(connection, team_id)
    await check_current(connection, team_id, project_id)
    now_open = await connection.scalar(select(ProjectRow.open).where(ProjectRow.id == project_id))
    opens = wanted.open or now_open
    if opens == "team" and (wanted.members or wanted.add or wanted.remove):
        raise InvalidInput(
            "A project that is open to its team has no members: close it first (`cairn projects close`, or `open` as `members`).",
            param="open" if wanted.open == "team" else "members",
        )
    come = await _developers(connection, team_id, [*(wanted.members or ()), *wanted.add])
    gone = await _developers(connection, team_id, wanted.remove)
    mine = ProjectMemberRow.project_id == project_id
    if opens == "team" or wanted.members is not None:
        present = select(DeveloperRow.id).where(DeveloperRow.removed_at.is_(None))
        await connection.execute(delete(ProjectMemberRow).where(mine, ProjectMemberRow.developer_id.in_(present)))
    await connection.execute(delete(ProjectMemberRow).where(mine, ProjectMemberRow.developer_id.in_(gone)))
    if rows := [{"project_id": project_id, "developer_id": each} for each in sorted(come - gone)]:
        await connection.execute(upsert(ProjectMemberRow).on_conflict_do_nothing(), rows)
    await connection.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(open=opens))


async def check_merge(connection: AsyncConnection, project_id: UUID, into: UUID) -> None:
    """Raise Conflict if merging would show what belongs to a closed project to somebody whom it is closed to."""
    found = await connection.execute(select(ProjectRow.id, ProjectRow.open).where(ProjectRow.id.in_([project_id, into])))
    opens = {row.id: row.open for row in found}
    if opens.get(project_id) != "members":
        return
    members = (
        select(ProjectMemberRow.developer_id)
        .join(DeveloperRow, DeveloperRow.id == ProjectMemberRow.developer_id)
        .where(DeveloperRow.removed_at.is_(None))
    )
    theirs = members.where(ProjectMemberRow.project_id == into)
    others = theirs.except_(members.where(ProjectMemberRow.project_id == project_id))
    if opens.get(into) != "members" or await connection.scalar(select(func.count()).select_from(others.subquery())):
        raise Conflict(
            "A closed project can't be merged into a project that is open to more people: they would see its content. First close "
            "the other project to the same members, or open this one (`cairn projects close` or `cairn projects open`).",
            param="into",
        )


async def _developers(connection: AsyncConnection, team_id: UUID, names: Collection[str]) -> set[UUID]:
    """Return the ids of a team's developers. InvalidInput names one that the team doesn't have, or has no more."""
    if not names:
        return set()
    if len(names) > MAX_MEMBERS:
        raise InvalidInput(f"At most {MAX_MEMBERS:,} members can be named at once: {len(names):,} are.", param="members")
    askable = [each for each in names if each.isprintable()]
    theirs = (DeveloperRow.team_id == team_id, DeveloperRow.name.in_(askable), DeveloperRow.removed_at.is_(None))
    query = select(DeveloperRow.name, DeveloperRow.id).where(*theirs)
    found = {row.name: row.id for row in await connection.execute(query)}
    for each in names:
        if each not in found:
            check_label(each, param="members")  # else the answer would repeat it
            raise InvalidInput(f"The team has no developer {each!r}: members are developers of the project's team.", param="members")
    return set(found.values())
