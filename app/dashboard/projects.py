"""The pages of projects: what each holds and whom it is open to; renamed and merged by admins, opened and closed by leads, too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.accounts.requester import Openness
from app.accounts.views import OpennessChange, ProjectView
from app.dashboard.filtering import NO_PAGE, AddressFilters, address
from app.dashboard.forms import FormState, once
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, text_of, verified_form, visitor
from app.errors import CairnError, Conflict, InvalidInput, NotFound
from app.services import administration

PROJECTS: Final = f"{PATH}/projects"
PAGE: Final = 50
MEMBERS_SHOWN: Final = 100
MAX_SUGGESTED: Final = 200
"""Projects whose names a field offers; with more of them it takes what is typed."""
OPEN: Final[tuple[Openness, ...]] = get_args(Openness)
DONE: Final = {
    "renamed": "Renamed. Other servers show the new name within half a minute.",
    "opened": "Open to the whole team.",
    "closed": "Closed: only its members, leads and admins see it.",
    "added": "The members are added.",
    "removed": "The member is removed and no longer sees the project.",
    "merged": "Merged: the sessions and knowledge of the other project are here now.",
}

router = APIRouter(prefix=PROJECTS, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ProjectFilters(AddressFilters):
    """Filters of the list of projects."""

    q: str
    open: str

    def pick(self, projects: Sequence[ProjectView]) -> list[ProjectView]:
        """Raises InvalidInput for a project that is open to neither the team nor members."""
        if self.open and self.open not in OPEN:
            raise InvalidInput("A project is open to its team or to members: choose one from the list.", param="open")
        part = self.q.strip().casefold()
        return [each for each in projects if part in each.name.casefold() and self.open in {"", each.open}]


@router.get("")
async def listed(request: Request) -> Response:
    who = await visitor(request)
    filters, problem = ProjectFilters.of(request), ""
    projects: Sequence[ProjectView] = await administration.list_projects(who.services, who.requester)
    every = len(projects)
    try:
        projects = filters.pick(projects)
        shown, following = _page(projects, request.query_params.get("after", ""))
    except InvalidInput as error:
        problem, shown, following = error.message, projects[:PAGE], None
    ids = [each.id for each in shown]
    return await state_of(request).renderer.page(
        "projects.html",
        who,
        projects=shown,
        matching=len(projects),
        every=every,
        filters=filters,
        problem=problem,
        sessions=await who.services.sessions.reader.count_by_project(who.requester, ids),
        items=await who.services.knowledge.reader.count_by_project(who.requester, ids),
        further=address(who, PROJECTS, **filters.query, after=str(following)) if following else None,
        first=address(who, PROJECTS, **filters.query) if request.query_params.get("after") else None,
    )


@router.get("/{project_id}")
async def one(request: Request, project_id: UUID) -> Response:
    return await _shown(request, await visitor(request), project_id)


@router.post("/{project_id}/name")
async def rename(request: Request, project_id: UUID) -> Response:
    who = await admin(request)
    form = await verified_form(request, who)
    try:
        await administration.change_project(who.services, who.requester, project_id, name=text_of(form, "name"), openness=OpennessChange())
    except (InvalidInput, Conflict) as error:
        return await _refused(request, who, project_id, "name", form, error)
    return _to(who, project_id, "renamed")


@router.post("/{project_id}/openness")
async def set_openness(request: Request, project_id: UUID) -> Response:
    """Open a project to its team, which forgets its members; or close it to those that are named, who may be nobody."""
    who = await visitor(request)
    form = await verified_form(request, who)
    wanted = next((each for each in OPEN if each == form.get("open")), None)
    try:
        if wanted is None:
            raise InvalidInput("Open it or close it: reload the page and press one of its buttons.", param="open")
        members = _names(text_of(form, "members")) if wanted == "members" else None
        change = OpennessChange(wanted, members)
        await administration.change_project(who.services, who.requester, project_id, openness=change)
    except (InvalidInput, Conflict) as error:
        return await _refused(request, who, project_id, "openness", form, error)
    return _to(who, project_id, "opened" if wanted == "team" else "closed")


@router.post("/{project_id}/members")
async def add_members(request: Request, project_id: UUID) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    try:
        names = _names(text_of(form, "members"))
        if not names:
            raise InvalidInput("Name at least one developer of the team.", param="members")
        await administration.change_project(who.services, who.requester, project_id, openness=OpennessChange(add=names))
    except (InvalidInput, Conflict) as error:
        return await _refused(request, who, project_id, "members", form, error)
    return _to(who, project_id, "added")


@router.post("/{project_id}/members/remove")
async def remove_member(request: Request, project_id: UUID) -> Response:
    who = await visitor(request)
    form = await verified_form(request, who)
    try:
        change = OpennessChange(remove=[text_of(form, "member")])
        await administration.change_project(who.services, who.requester, project_id, openness=change)
    except (InvalidInput, Conflict) as error:
        return await _refused(request, who, project_id, "members", form, error)
    return _to(who, project_id, "removed")


@router.get("/{project_id}/merge")
async def confirm_merge(request: Request, project_id: UUID) -> Response:
    """Say what merging this project into the one named in `into` does, and ask."""
    who = await admin(request)
    view = await administration.show_project(who.services, who.requester, project_id)
    given = request.query_params.get("into", "").replace("\x00", "\ufffd").strip()[:200]
    try:
        into = await _called(who, given)
        if into.id == view.id:
            raise InvalidInput("A project can't be merged into itself: name another one.", param="into")
    except (InvalidInput, NotFound) as error:
        return await _refused(request, who, project_id, "merge", FormData([("into", given)]), error)
    return await _merge_page(request, who, view, into)


@router.post("/{project_id}/merge")
async def merge(request: Request, project_id: UUID) -> Response:
    who = await admin(request)
    form = await verified_form(request, who)
    try:
        into_id = UUID(text_of(form, "into"))
    except ValueError:
        raise InvalidInput("The form names no project: go back to the project and choose again.", param="into") from None

    async def act() -> Response:
        into, _ = await administration.merge_projects(who.services, who.requester, project_id, into_id)
        return _to(who, into.id, "merged")

    try:
        return await once(request, who, form, act)
    except (InvalidInput, Conflict) as error:
        view = await administration.show_project(who.services, who.requester, project_id)
        into = await administration.show_project(who.services, who.requester, into_id)
        return await _merge_page(request, who, view, into, forms=FormState.refused("merge", form, error))


async def _shown(request: Request, who: Visitor, project_id: UUID, *, forms: FormState | None = None) -> Response:
    view = await administration.show_project(who.services, who.requester, project_id)
    forms, manages = forms or FormState(), who.requester.may("administer")
    names = [each.name for each in await administration.list_projects(who.services, who.requester) if each.id != view.id] if manages else []
    after = request.query_params.get("after", "")
    members = view.members[view.members.index(after) + 1 :] if after in view.members else view.members
    shown = members[:MEMBERS_SHOWN]
    further = address(who, f"{PROJECTS}/{project_id}", after=shown[-1]) if len(members) > MEMBERS_SHOWN else None
    return await state_of(request).renderer.page(
        "project.html",
        who,
        status=forms.status,
        view=view,
        sessions=(await who.services.sessions.reader.count_by_project(who.requester, [view.id])).get(view.id, 0),
        items=(await who.services.knowledge.reader.count_by_project(who.requester, [view.id])).get(view.id, 0),
        members=shown,
        further=further,
        others=names if len(names) <= MAX_SUGGESTED else [],
        mergeable=bool(names),
        forms=forms,
        done=DONE.get(request.query_params.get("done", ""), "") if forms.status == 200 else "",
    )


async def _merge_page(request: Request, who: Visitor, view: ProjectView, into: ProjectView, *, forms: FormState | None = None) -> Response:
    forms, ids = forms or FormState(), [view.id]
    return await state_of(request).renderer.page(
        "merge.html",
        who,
        status=forms.status,
        view=view,
        into=into,
        sessions=(await who.services.sessions.reader.count_by_project(who.requester, ids)).get(view.id, 0),
        items=(await who.services.knowledge.reader.count_by_project(who.requester, ids)).get(view.id, 0),
        forms=forms,
    )


async def _refused(request: Request, who: Visitor, project_id: UUID, form: str, sent: FormData, error: CairnError) -> Response:
    return await _shown(request, who, project_id, forms=FormState.refused(form, sent, error))


async def _called(who: Visitor, name: str) -> ProjectView:
    """Find the project that is, or once was, called so. InvalidInput names the field."""
    found = await who.services.accounts.project_named(who.requester.team_id, name, closed=who.requester.closed) if name else None
    if found is None:
        said = f"The team has no project {name!r}: write its name as the list shows it." if name else "Name the project that remains."
        raise InvalidInput(said, param="into")
    return await administration.show_project(who.services, who.requester, found)


def _page(projects: Sequence[ProjectView], after: str) -> tuple[Sequence[ProjectView], UUID | None]:
    """Return the page that follows the project with the id `after`, and the last one's id where more follow. InvalidInput for another."""
    places = {str(each.id): place for place, each in enumerate(projects)}
    if after and after not in places:
        raise InvalidInput(NO_PAGE, param="after")
    begin = places[after] + 1 if after else 0
    shown = projects[begin : begin + PAGE]
    return shown, shown[-1].id if begin + PAGE < len(projects) else None


def _names(text: str) -> list[str]:
    """Read names that are separated by commas or line ends."""
    return [name for part in re.split(r"[,;\n]", text) if (name := part.strip())]


def _to(who: Visitor, project_id: UUID, done: str) -> Response:
    return RedirectResponse(address(who, f"{PROJECTS}/{project_id}", done=done), status_code=303)
