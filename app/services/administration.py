"""Operations on teams, developers, keys and projects: one call for a route, a tool and a page alike, which knows who asks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from app.accounts.requester import DeveloperRole, Requester
from app.accounts.views import DeveloperView, ProjectView, TeamView
from app.errors import NotFound
from app.services.services import Services

log = structlog.get_logger()


async def create_team(services: Services, requester: Requester, name: str) -> TeamView:
    requester.check("administer")
    return await services.accounts.create_team(name)


async def list_teams(services: Services, requester: Requester) -> Sequence[TeamView]:
    requester.check("administer")
    return await services.accounts.list_teams()


async def create_developer(
    services: Services, requester: Requester, name: str, *, team: str, monthly_limit_nanousd: int | None, role: DeveloperRole = "developer"
) -> DeveloperView:
    """Make a developer in a team; without a limit that of the settings."""
    requester.check("administer")
    return await services.accounts.create_developer(name, team=team, monthly_limit_nanousd=monthly_limit_nanousd, role=role)


async def set_role(services: Services, requester: Requester, developer: str, role: DeveloperRole) -> DeveloperView:
    """Give a developer a role; their keys and sign-ins stay. NotFound for an unknown developer."""
    requester.check("administer")
    await services.accounts.set_role(developer, role)
    log.info("accounts.role_set", developer=developer, role=role)
    return await services.accounts.find_developer(developer)


async def list_developers(services: Services, requester: Requester) -> Sequence[DeveloperView]:
    """List the developers of every team, by name."""
    requester.check("administer")
    return await services.accounts.list_developers()


async def create_key(services: Services, requester: Requester, developer: str) -> tuple[UUID, str]:
    """Make a key: (its id, the key), the only time that it can be seen. NotFound for an unknown developer."""
    requester.check("administer")
    return await services.accounts.create_key(developer)


async def revoke_key(services: Services, requester: Requester, key_id: UUID, *, owner: DeveloperView | None = None) -> None:
    """Revoke a live key, with `owner` only one of theirs. NotFound for any other."""
    requester.check("administer")
    if owner is not None and key_id not in {each.id for each in await services.accounts.keys_of(owner.id)}:
        raise NotFound(f"{owner.name} has no key {key_id}.")
    await services.accounts.revoke_key(key_id)


async def list_projects(services: Services, requester: Requester) -> Sequence[ProjectView]:
    """List the team's projects, by name."""
    requester.check("read")
    return await services.accounts.find_projects(requester.team_id)


async def show_project(services: Services, requester: Requester, project_id: UUID) -> ProjectView:
    """Show a project. NotFound for another team's."""
    for each in await list_projects(services, requester):
        if each.id == project_id:
            return each
    raise NotFound(f"There is no project {project_id}. List them: GET /v1/projects or `cairn projects list`.")


async def rename_project(services: Services, requester: Requester, project_id: UUID, name: str) -> ProjectView:
    """Rename a project. NotFound for another team's, Conflict for a name that is taken."""
    requester.check("administer")
    await services.accounts.rename_project(requester.team_id, project_id, name)
    return await show_project(services, requester, project_id)


async def merge_projects(services: Services, requester: Requester, project_id: UUID, into: UUID) -> tuple[ProjectView, int]:
    """Merge a project into another: (the one that stays, how many sessions moved)."""
    requester.check("administer")
    moved = await services.sessions.merging.merge(requester.team_id, project_id, into)
    return await show_project(services, requester, into), moved
