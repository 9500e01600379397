"""Pages of prompts: the switch by which a project shows them, and who switched it and who read what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app.accounts.requester import PromptAction
from app.accounts.views import OpennessChange, PromptAuditEntry
from app.dashboard.filtering import AddressFilters, ChosenPeriod, address, page_at, period_of, project_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, text_of, verified_form, visitor
from app.errors import InvalidInput, NotFound
from app.services.administration import change_project, list_members, list_projects, show_project
from app.services.prompt_audit import PromptAuditQuery, list_prompt_audit
from app.storage.pages import EntryPage, PageWanted

PROMPTS = f"{PATH}/prompts"
PAGE: Final = 50
ACTIONS: Final[dict[PromptAction, str]] = {
    "read": "read a session",
    "exported": "exported all sessions",
    "shown": "prompts shown",
    "hidden": "prompts hidden",
    "merged": "shown again after a merge",
}

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class AuditFilters(AddressFilters):
    """Filters of the list of entries, as the address has them."""

    project: str
    developer: str
    action: str
    since: str
    until: str


@router.get("/prompts")
async def audit(request: Request) -> Response:
    """Show who switched prompts on or off and who read whose: to admins and auditors their team's, to others what concerns them."""
    who = await visitor(request)
    filters = AuditFilters.of(request)
    project, period = await project_of(who, filters.project), period_of(filters.since, filters.until)
    problems = [*filter(None, [project.problem]), *period.problems]
    page = await _entries(who, filters, project.name, period, problems, request.query_params.get("before", ""))
    return await state_of(request).renderer.page(
        "prompts.html",
        who,
        filters=filters,
        problems=problems,
        entries=page.entries,
        actions=ACTIONS,
        further=address(who, PROMPTS, **filters.query, before=page.next) if page.next else None,
        projects=sorted(each.name for each in await list_projects(who.services, who.requester)),
        developers=await _developers(who),
    )


@router.get("/projects/{project_id}/prompts")
async def project_prompts(request: Request, project_id: UUID) -> Response:
    """Show whether a project shows prompts, since when and to whom, with its entries."""
    who = await visitor(request)
    project = await show_project(who.services, who.requester, project_id)
    page = await list_prompt_audit(who.services, who.requester, PageWanted(PAGE), PromptAuditQuery(project=project.name))
    return await state_of(request).renderer.page(
        "project_prompts.html",
        who,
        project=project,
        entries=page.entries,
        actions=ACTIONS,
        all_entries=address(who, PROMPTS, project=project.name) if page.next else None,
        sessions=address(who, f"{PATH}/sessions", project=project.name),
    )


@router.post("/projects/{project_id}/prompts")
async def switch(request: Request, project_id: UUID) -> Response:
    """Let a project show prompts from now on, or no longer; for leads and admins."""
    who = await visitor(request)
    form = await verified_form(request, who)
    wanted = text_of(form, "show")
    if wanted not in {"yes", "no"}:
        raise InvalidInput("`show` must be yes or no: reload the page and send its form again.", param="show")
    await change_project(who.services, who.requester, project_id, openness=OpennessChange(), show_prompts=wanted == "yes")
    return RedirectResponse(address(who, f"{PATH}/projects/{project_id}/prompts"), status_code=303)


async def _entries(
    who: Visitor, filters: AuditFilters, project: str | None, period: ChosenPeriod, problems: list[str], before: str
) -> EntryPage[PromptAuditEntry]:
    """Read a page of entries without what can't be obeyed, which is added to `problems`."""
    action = next((each for each in ACTIONS if each == filters.action), None)
    if filters.action and action is None:
        problems.append(f"There is no action “{filters.action}”: choose one from the list.")
    developer = filters.developer or None
    if developer is not None:
        try:
            await who.services.accounts.find_developer(developer, team_id=who.requester.team_id)
        except (InvalidInput, NotFound):
            problems.append(f"The team has no developer “{developer}” (any more). This view ignores that filter.")
            developer = None
    wanted, query = PageWanted(PAGE, since=period.since, until=period.until), PromptAuditQuery(project, developer, action)
    page, problem = await page_at(before, lambda place: list_prompt_audit(who.services, who.requester, replace(wanted, after=place), query))
    problems += filter(None, [problem])
    return page


async def _developers(who: Visitor) -> Sequence[str]:
    """List whom the visitor may filter by: with `read_audit` the team, else there is nobody to choose."""
    if not who.requester.may("read_audit"):
        return ()
    return [each.name for each in await list_members(who.services, who.requester, removed=True)]
