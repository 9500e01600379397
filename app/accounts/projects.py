"""Projects by their identity: found, taken over from before identities were known, or made, under a name that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.identity import ProjectIdentity
from app.accounts.names import MAX_CHARS, canonical, check_project_name
from app.accounts.tables import ProjectRow
from app.errors import Conflict, InvalidInput, NotFound
from app.storage.tables import AnyRow

_STANDING = func.coalesce(ProjectRow.merged_into, ProjectRow.id)


async def project_for(connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity) -> UUID:
    """Return the id of the project with this identity; made if it is new, in the caller's transaction.

    A folder whose sessions record no repository is the one repository of that name that the team has, unless their owners differ.
    """
    same = select(_STANDING).where(ProjectRow.team_id == team_id, ProjectRow.identity == identity.key)
    if (found := await connection.scalar(same)) is not None:
        return found
    await hold_projects(connection, team_id)
    if (found := await connection.scalar(same)) is not None:
        return found
    alike = await _alike(connection, team_id, identity)
    row = _same_project(alike, identity)
    if row is None:
        return await _make(connection, team_id, identity, alike)
    if not _is_repository(row):
        known = {"identity": identity.key, "base": identity.name, "owner": identity.owner}
        await connection.execute(update(ProjectRow).where(ProjectRow.id == row.id).values(known))
    return row.standing  # type: ignore[no-any-return]


async def project_called(connection: AsyncConnection, team_id: UUID, name: str) -> UUID:
    """Return the id of the project of this name; made if it is new, in the caller's transaction."""
    wanted = select(_STANDING).where(ProjectRow.team_id == team_id, ProjectRow.name == name)
    if (found := await connection.scalar(wanted)) is not None:
        return found
    await hold_projects(connection, team_id)  # else a project that is renamed to this name just now would find it taken after its check
    if (found := await connection.scalar(wanted)) is not None:
        return found
    return (await connection.execute(insert(ProjectRow).values(team_id=team_id, name=name).returning(ProjectRow.id))).scalar_one()


async def find_project(connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity) -> UUID | None:
    """Return the id of the project that `project_for` would return without making one; None: there is none yet."""
    same = select(_STANDING).where(ProjectRow.team_id == team_id, ProjectRow.identity == identity.key)
    if (known := await connection.scalar(same)) is not None:
        return known
    found = _same_project(await _alike(connection, team_id, identity), identity)
    return None if found is None else found.standing


def _same_project(alike: Sequence[AnyRow], identity: ProjectIdentity) -> AnyRow | None:
    """Find among projects of the same name the one that has this identity, though it doesn't know it yet."""
    if not identity.is_repository:
        repositories = [row for row in alike if _is_repository(row) and _owners_agree(row, identity)]
        if len(repositories) == 1:
            return repositories[0]
    for row in alike:
        if row.identity is None or (identity.is_repository and not _is_repository(row) and _owners_agree(row, identity)):
            return row
    return None


async def rename(connection: AsyncConnection, team_id: UUID, project_id: UUID, name: str) -> None:
    """Show a project under another name. InvalidInput for one that can't be used, Conflict for one that is taken, NotFound.

    The old name is kept beside: calls that were logged under it are hidden from those whom the project is closed to.
    """
    name = canonical(name)
    check_project_name(name, param="name")
    await hold_projects(connection, team_id)
    await check_current(connection, team_id, project_id)
    taken = select(ProjectRow.id).where(ProjectRow.team_id == team_id, ProjectRow.name == name, ProjectRow.id != project_id)
    if await connection.scalar(taken) is not None:
        raise Conflict(f"A project {name!r} exists already. Choose another name, or merge the two.", param="name")
    await _set_name(connection, project_id, name)


async def _set_name(connection: AsyncConnection, project_id: UUID, name: str) -> None:
    """Change a project's name, and note the one it had."""
    renamed = update(ProjectRow).where(ProjectRow.id == project_id, ProjectRow.name != name)
    former = func.array_append(func.array_remove(ProjectRow.former_names, ProjectRow.name), ProjectRow.name)
    await connection.execute(renamed.values(name=name, former_names=former))


async def merge(connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
    """Let one project be another from now on, under every name and identity that it has. What belonged to it, its rooms move.

    NotFound for an unknown one; InvalidInput for a project and itself.
    """
    if project_id == into:
        raise InvalidInput("A project can't be merged into itself: name another one.", param="into")
    await hold_projects(connection, team_id)
    for each in (project_id, into):
        await check_current(connection, team_id, each)
    gone = or_(ProjectRow.id == project_id, ProjectRow.merged_into == project_id)
    await connection.execute(update(ProjectRow).where(gone).values(merged_into=into))


async def hold_projects(connection: AsyncConnection, team_id: UUID) -> None:
    """Lock the team's projects: two sessions of a new project, or two projects of one name, come one at a time."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"projects {team_id}", 0))))


async def check_current(connection: AsyncConnection, team_id: UUID, project_id: UUID) -> None:
    ours = select(ProjectRow.id).where(ProjectRow.team_id == team_id, ProjectRow.id == project_id, ProjectRow.merged_into.is_(None))
    if await connection.scalar(ours) is None:
        raise no_project(project_id)


def no_project(project_id: UUID) -> NotFound:
    """Return the error for a project that isn't there for who asks."""
    return NotFound(f"There is no project {project_id}. List them: GET /v1/projects or `cairn projects list`.")


async def _alike(connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity) -> Sequence[AnyRow]:
    """List the team's projects of this name, the oldest first; those without an identity only where they are shown by just this name."""
    columns = (ProjectRow.id, ProjectRow.name, ProjectRow.identity, ProjectRow.base, ProjectRow.owner, _STANDING.label("standing"))
    named = or_(func.lower(ProjectRow.base) == identity.name.lower(), ProjectRow.name == identity.name)
    query = select(*columns).where(ProjectRow.team_id == team_id, named)
    return (await connection.execute(query.order_by(ProjectRow.created_at, ProjectRow.id))).all()


async def _make(connection: AsyncConnection, team_id: UUID, identity: ProjectIdentity, alike: Sequence[AnyRow]) -> UUID:
    """Make a project. Where two repositories share a name, both are shown as `owner/name`; a name that an admin gave is kept."""
    for row in alike:
        if row.owner and row.name == row.base:
            name = await _free(connection, team_id, [f"{row.owner}/{row.base}"])
            await _set_name(connection, row.id, name)
    wanted = [f"{identity.owner}/{identity.name}"] if identity.owner else []
    name = await _free(connection, team_id, wanted if alike and wanted else [identity.name, *wanted])
    values = {"team_id": team_id, "name": name, "identity": identity.key, "base": identity.name, "owner": identity.owner}
    return (await connection.execute(insert(ProjectRow).values(values).returning(ProjectRow.id))).scalar_one()


async def _free(connection: AsyncConnection, team_id: UUID, wanted: Sequence[str]) -> str:
    """Return the first of these names that the team has no project of; where all are taken, the last with a number behind it."""
    names = [each[-MAX_CHARS:].strip() for each in wanted]
    taken = set(await connection.scalars(select(ProjectRow.name).where(ProjectRow.team_id == team_id)))
    free = next((each for each in names if each not in taken), None)
    number = 2
    while free is None:
        numbered = f"{names[-1][: MAX_CHARS - 10]} {number}"
        free, number = (None if numbered in taken else numbered), number + 1
    return free


def _is_repository(row: AnyRow) -> bool:
    return bool(row.identity) and row.identity.startswith("repository:")


def _owners_agree(row: AnyRow, identity: ProjectIdentity) -> bool:
    return not row.owner or not identity.owner or row.owner.casefold() == identity.owner.casefold()
