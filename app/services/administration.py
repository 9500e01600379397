"""Operations on teams, developers and projects: one call for a route, a tool and a page alike, which knows who asks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from app.accounts.requester import DeveloperRole, Requester
from app.accounts.views import (
    DeveloperFilter,
    DeveloperView,
    OpennessChange,
    ProjectView,
    PromptSwitch,
    TeamView,
)
from app.errors import InvalidInput, NotFound
from app.services import account_log
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted

log = structlog.get_logger()


async def create_team(services: Services, requester: Requester, name: str) -> TeamView:
    requester.check("administer")
    return await services.accounts.create_team(name)


async def list_teams(services: Services, requester: Requester) -> Sequence[TeamView]:
    requester.check("administer")
    return await services.accounts.list_teams()


async def list_teams_page(services: Services, requester: Requester, wanted: PageWanted) -> EntryPage[TeamView]:
    requester.check("administer")
    return await services.accounts.list_teams_page(wanted)


async def create_developer(
    services: Services, requester: Requester, name: str, *, team: str, monthly_limit_nanousd: int | None, role: DeveloperRole = "developer"
) -> DeveloperView:
    """Make a developer in a team; without a limit that of the settings."""
    requester.check("administer")
    made = await services.accounts.create_developer(name, team=team, monthly_limit_nanousd=monthly_limit_nanousd, role=role)
    account_log.developer_created(made, by=requester.name)
    return made


async def change_developer(
    services: Services,
    requester: Requester,
    developer: str,
    *,
    role: DeveloperRole | None = None,
    disabled: bool | None = None,
    revision: str | None = None,
) -> DeveloperView:
    """Give a developer a role, or disable or enable them; what is None stays. Their keys and sign-ins stay, and obey at once.

    NotFound for an unknown developer, Conflict for a removed one, ChangedMeanwhile for one who is not at `revision`.
    """
    requester.check("administer")
    await services.accounts.developers.change(developer, role=role, disabled=disabled, revision=revision)
    if role is not None:
        account_log.role_set(developer, role, by=requester.name)
    if disabled is not None:
        log.info("accounts.disabled" if disabled else "accounts.enabled", developer=developer, by=requester.name)
    return await services.accounts.find_developer(developer)


async def list_developers(
    services: Services, requester: Requester, wanted: PageWanted, *, team: str | None = None, removed: bool = False
) -> EntryPage[DeveloperView]:
    """List a page of the developers of a team or of every one; with `removed` also those who were removed. NotFound for a team."""
    requester.check("administer")
    team_id = None if team is None else await services.accounts.team_id(team)
    among = DeveloperFilter(state="any" if removed else None)
    return await services.accounts.developers.list_page(wanted, among, team_id=team_id)


async def list_members(services: Services, requester: Requester, *, removed: bool = False) -> Sequence[DeveloperView]:
    """List the developers whose budgets the requester reads, by name: those of their team, or only themselves.

    With `removed` those who were removed from the team as well: what they spent remains.
    """
    requester.check("read")
    if requester.may("read_team_budget"):
        return await services.accounts.list_developers(team_id=requester.team_id, removed=removed)
    return [await services.accounts.find_developer(requester.name, team_id=requester.team_id)]


async def list_member_page(
    services: Services, requester: Requester, wanted: PageWanted, among: DeveloperFilter
) -> EntryPage[DeveloperView]:
    """List a page of the developers of the requester's team, for those who read its budgets."""
    requester.check("read_team_budget")
    return await services.accounts.developers.list_page(wanted, among, team_id=requester.team_id)


async def count_members(services: Services, requester: Requester, among: DeveloperFilter) -> int:
    """Count the developers on all pages of `list_member_page`."""
    requester.check("read_team_budget")
    return await services.accounts.developers.count(among, team_id=requester.team_id)


async def show_developer(services: Services, requester: Requester, name: str) -> DeveloperView:
    """Show a developer: oneself, to a lead or auditor those of their team, to an admin anybody. NotFound for an unknown name."""
    requester.check("read" if name == requester.developer else "read_team_budget")
    return await services.accounts.find_developer(name, team_id=None if requester.is_admin else requester.team_id)


async def list_projects(services: Services, requester: Requester) -> Sequence[ProjectView]:
    """List the team's projects that are open to the requester, by name."""
    requester.check("read")
    return [each for each in await services.accounts.find_projects(requester.team_id) if each.id not in requester.closed]


async def list_projects_page(services: Services, requester: Requester, wanted: PageWanted) -> EntryPage[ProjectView]:
    """List a page of the team's projects that are open to the requester."""
    requester.check("read")
    return await services.accounts.list_projects_page(requester.team_id, wanted, closed=requester.closed)


async def find_project(services: Services, requester: Requester, name: str) -> ProjectView:
    """Find the team's project of this name. NotFound for an unknown one, and for one that is closed to the requester."""
    requester.check("read")
    for each in await services.accounts.find_projects(requester.team_id, name):
        if each.name == name and each.id not in requester.closed:
            return each
    raise NotFound("No such project is open to you: it was renamed, merged, deleted or closed. List them: `cairn projects list`.")


async def show_project(services: Services, requester: Requester, project_id: UUID) -> ProjectView:
    """Show a project. NotFound for another team's, and for one that is closed to the requester."""
    requester.check("read")
    return await services.accounts.show_project(requester.team_id, project_id, closed=requester.closed)


async def change_project(
    services: Services,
    requester: Requester,
    project_id: UUID,
    *,
    name: str | None = None,
    openness: OpennessChange,
    revision: str | None = None,
    show_prompts: bool | None = None,
) -> ProjectView:
    """Rename a project, for admins; change whom it is open to, and whether it shows prompts, for leads too. See `Accounts.change_project`.

    NotFound for another team's, Conflict for a name that is taken, InvalidInput for a member who isn't a developer of the team.
    """
    if name is None and not openness.changes and show_prompts is None:
        raise InvalidInput("No field to change: send name, open, members, add_members, remove_members or show_prompts.")
    if name is not None:
        requester.check("administer")
    if openness.changes:
        requester.check("manage_members")
    if show_prompts is not None:
        requester.check("switch_prompts")
    prompts = None if show_prompts is None else PromptSwitch(show_prompts, requester.developer_id)
    await services.accounts.change_project(requester.team_id, project_id, name=name, openness=openness, prompts=prompts, revision=revision)
    if name is not None:
        log.info("accounts.project_renamed", project=str(project_id), by=requester.name)
    if show_prompts is not None:
        log.info("accounts.project_prompts_switched", project=str(project_id), by=requester.name, shown=show_prompts)
    if openness.changes:
        log.info("accounts.project_openness_changed", project=str(project_id), by=requester.name, open=openness.open)
    return await show_project(services, requester, project_id)


async def merge_projects(services: Services, requester: Requester, project_id: UUID, into: UUID) -> tuple[ProjectView, int]:
    """Merge a project into another: (the one that stays, how many sessions moved).

    Conflict where that would show a closed project to others.
    """
    requester.check("administer")
    moved = await services.sessions.merging.merge(requester.team_id, project_id, into, by=requester.developer_id)
    log.info("accounts.project_merged", project=str(project_id), into=str(into), sessions=moved, by=requester.name)
    return await show_project(services, requester, into), moved
