"""The pages "People" and "Invitations": a team's developers, page by page; add one, invite one by a link, revoke an invitation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app.accounts.requester import DeveloperRole
from app.accounts.views import DeveloperFilter, DeveloperState, DeveloperView
from app.dashboard import person
from app.dashboard.filtering import AddressFilters, address, page_at
from app.dashboard.forms import FormState, once
from app.dashboard.page_route import DataPageRoute
from app.dashboard.person import NewSecret, person_path, role_of
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, text_of, verified_form, visitor
from app.errors import Conflict, InvalidInput, NotFound
from app.services import administration, people
from app.storage.pages import EntryPage, PageWanted

PEOPLE: Final = f"{PATH}/people"
INVITATIONS: Final = f"{PATH}/invitations"
PAGE: Final = 50
STATES: Final[tuple[DeveloperState, ...]] = get_args(DeveloperState)
DONE: Final = {"revoked": "The invitation is revoked: its link no longer works."}

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PeopleFilters(AddressFilters):
    """Filters of the list of developers."""

    q: str
    role: str
    state: str

    @property
    def filter(self) -> DeveloperFilter:
        """Return the filter of developers. InvalidInput for an unknown role or state."""
        role = next((each for each in get_args(DeveloperRole) if each == self.role), None)
        state = next((each for each in STATES if each == self.state), None)
        if self.role and role is None:
            raise InvalidInput(f"There is no role {self.role!r}: choose one from the list.", param="role")
        if self.state and state is None:
            raise InvalidInput(f"There is no state {self.state!r}: choose one from the list.", param="state")
        return DeveloperFilter(self.q.strip(), role, state)


@router.get("/people")
async def listed(request: Request) -> Response:
    """Show the team's developers to those who read its budgets; everybody else is led to their own page."""
    who = await visitor(request)
    if not who.requester.may("read_team_budget"):
        return RedirectResponse(address(who, person_path(who.requester.name)), status_code=303)
    return await _page(request, who)


@router.post("/people")
async def add(request: Request) -> Response:
    """Add a developer, or invite them: then the answer is the page that shows the link, this once, and no redirect."""
    who = await admin(request)
    form = await verified_form(request, who)
    invites = form.get("how") != "add"

    async def act() -> Response:
        name, role, team = text_of(form, "name"), role_of(form), text_of(form, "team") or who.requester.team
        if invites:
            expires = text_of(form, "expires") or people.DEFAULT_OPEN
            made, token = await people.invite(who.services, who.requester, name, team=team, role=role, expires=expires)
            view = await administration.show_developer(who.services, who.requester, made.developer)
            link = people.invitation_link(who.services, token, came_under=str(request.base_url))
            secret = NewSecret("link", link, made.expires_at)
            return await person.shown(request, who, view, secret=secret, status=201)
        made_developer = await administration.create_developer(
            who.services, who.requester, name, team=team, monthly_limit_nanousd=None, role=role
        )
        return RedirectResponse(address(who, person_path(made_developer.name), done="added"), status_code=303)

    try:
        return await once(request, who, form, act, secret=invites)
    except (InvalidInput, Conflict, NotFound) as error:
        return await _page(request, who, forms=FormState.refused("add", form, error))


@router.get("/invitations")
async def invitations(request: Request) -> Response:
    """Show the invitations into the team: the open ones, with `?ended=1` all."""
    who = await admin(request)
    ended = request.query_params.get("ended") == "1"
    page, problem = await page_at(
        request.query_params.get("before"),
        lambda place: people.list_invitation_page(who.services, who.requester, PageWanted(PAGE, after=place), ended=ended),
    )
    return await state_of(request).renderer.page(
        "invitations.html",
        who,
        invitations=page.entries,
        ended=ended,
        problem=problem,
        done=DONE.get(request.query_params.get("done", ""), ""),
        forms=FormState(),
        further=address(who, INVITATIONS, ended="1" if ended else None, before=page.next) if page.next else None,
        other=address(who, INVITATIONS, ended=None if ended else "1"),
    )


@router.post("/invitations/{invitation_id}/revoke")
async def revoke_invitation(request: Request, invitation_id: UUID) -> Response:
    who = await admin(request)
    form = await verified_form(request, who)

    async def act() -> Response:
        await people.revoke_invitation(who.services, who.requester, invitation_id)
        return RedirectResponse(address(who, INVITATIONS, done="revoked"), status_code=303)

    return await once(request, who, form, act)


async def _page(request: Request, who: Visitor, *, forms: FormState | None = None) -> Response:
    filters, page, matching = PeopleFilters.of(request), EntryPage[DeveloperView]((), None), 0
    after, problem = request.query_params.get("after"), ""
    try:
        among = filters.filter
        page, problem = await page_at(
            after, lambda place: administration.list_member_page(who.services, who.requester, PageWanted(PAGE, "name", place), among)
        )
        matching = await administration.count_members(who.services, who.requester, among)
    except InvalidInput as error:
        problem = error.message
    forms = forms or FormState()
    teams = [each.name for each in await administration.list_teams(who.services, who.requester)] if who.requester.is_admin else []
    return await state_of(request).renderer.page(
        "people.html",
        who,
        status=forms.status,
        page=page,
        matching=matching,
        filters=filters,
        problem=problem,
        forms=forms,
        teams=teams,
        states=STATES,
        roles=person.ROLES,
        further=address(who, PEOPLE, **filters.query, after=page.next) if page.next else None,
        first=address(who, PEOPLE, **filters.query) if after else None,
        open_link=people.DEFAULT_OPEN,
    )
