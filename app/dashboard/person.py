"""The page of one developer's account: role, state, keys, invitation; and their removal, with the export of their sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.accounts.requester import DeveloperRole
from app.accounts.views import DeveloperView
from app.dashboard.filtering import address, page_at
from app.dashboard.forms import FormState, once
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, text_of, verified_form, visitor
from app.errors import CairnError, Conflict, InvalidInput, NotFound
from app.services import administration, people
from app.services.keys import KeyDetails, list_keys
from app.services.people import SessionsFate
from app.storage.pages import PageWanted
from app.web.json_lines import json_lines

KEYS_SHOWN: Final = 25
ROLES: Final[Mapping[DeveloperRole, str]] = {
    "developer": "reads and writes the team's knowledge, and calls models",
    "lead": "a developer who also changes what others wrote, reads the team's budgets, and decides who sees which project",
    "auditor": "reads what a lead reads, but changes nothing and calls no model",
    "admin": "everything, in every team: people, keys, budgets, projects",
}
FATES: Final[tuple[SessionsFate, ...]] = get_args(SessionsFate)
DONE: Final = {
    "added": "Added. They need a key or an invitation to begin.",
    "role": "The role is changed, with effect at once.",
    "disabled": "Disabled: all their keys and sign-ins are refused from now on.",
    "enabled": "Enabled: their keys and sign-ins are accepted again.",
    "key-revoked": "The key is revoked: calls with it are refused from now on.",
    "key-changed": "The key is changed: its limit and its models hold at once.",
    "removed": "Removed. Their sessions are kept; what they spent stays in the ledger, under the name above.",
    "erased": "Removed. A job erases their sessions now; what they spent stays in the ledger, under the name above.",
}

router = APIRouter(prefix=f"{PATH}/people", route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True, repr=False)
class NewSecret:
    """A key or an invitation's link that is shown this once. `kind`: key or link."""

    kind: str
    text: str
    expires_at: datetime | None


@router.get("/{name}")
async def one(request: Request, name: str) -> Response:
    who = await visitor(request)
    return await shown(request, who, await administration.show_developer(who.services, who.requester, name))


@router.post("/{name}/role")
async def set_role(request: Request, name: str) -> Response:
    who = await admin(request)
    form = await verified_form(request, who)
    try:
        view = await administration.change_developer(who.services, who.requester, name, role=role_of(form))
    except (InvalidInput, Conflict) as error:
        return await refused(request, who, name, "role", form, error)
    return _to(who, view.name, "role")


@router.post("/{name}/state")
async def set_state(request: Request, name: str) -> Response:
    """Disable or enable a developer, by the field `state`."""
    who = await admin(request)
    form = await verified_form(request, who)
    wanted = text_of(form, "state")
    try:
        if wanted not in {"disabled", "enabled"}:
            raise InvalidInput("Choose to disable or to enable: reload the page and press one of its buttons.", param="state")
        view = await administration.change_developer(who.services, who.requester, name, disabled=wanted == "disabled")
    except (InvalidInput, Conflict) as error:
        return await refused(request, who, name, "state", form, error)
    return _to(who, view.name, wanted)


@router.post("/{name}/invitations")
async def invite(request: Request, name: str) -> Response:
    """Invite a developer who is there already, for a key on another machine; the link is shown this once."""
    who = await admin(request)
    form = await verified_form(request, who)
    view = await administration.show_developer(who.services, who.requester, name)

    async def act() -> Response:
        expires = text_of(form, "expires") or people.DEFAULT_OPEN
        made, token = await people.invite(who.services, who.requester, view.name, team=None, role=None, expires=expires)
        link = people.invitation_link(who.services, token, came_under=str(request.base_url))
        return await shown(request, who, view, secret=NewSecret("link", link, made.expires_at), status=201)

    try:
        return await once(request, who, form, act, secret=True)
    except (InvalidInput, Conflict) as error:
        return await refused(request, who, name, "invite", form, error)


@router.get("/{name}/sessions.ndjson")
async def export(request: Request, name: str) -> Response:
    """Export all that a developer's sessions hold, a JSON object a line. See `people.export_sessions`."""
    who = await visitor(request)
    records = await people.export_sessions(who.services, who.requester, name)
    return json_lines(request, records, name="sessions.ndjson")


@router.get("/{name}/remove")
async def confirm_removal(request: Request, name: str) -> Response:
    """Say what a removal does, and ask what becomes of the sessions."""
    who = await admin(request)
    return await _removal_page(request, who, name)


@router.post("/{name}/remove")
async def remove(request: Request, name: str) -> Response:
    """Remove a developer. Sessions are erased only where the developer's name was typed."""
    who = await admin(request)
    form = await verified_form(request, who)

    async def act() -> Response:
        fate = next((each for each in FATES if each == form.get("sessions")), None)
        if fate is None:
            raise InvalidInput("Choose what happens to their sessions: keep or erase.", param="sessions")
        if fate == "erase" and text_of(form, "typed") != name:
            raise InvalidInput(f"To erase their sessions, type the name exactly: {name}.", param="typed")
        removed = await people.remove_developer(who.services, who.requester, name, sessions=fate)
        return _to(who, removed.name, "erased" if fate == "erase" else "removed")

    try:
        return await once(request, who, form, act)
    except InvalidInput as error:
        return await _removal_page(request, who, name, forms=FormState.refused("remove", form, error))


async def shown(
    request: Request,
    who: Visitor,
    view: DeveloperView,
    *,
    forms: FormState | None = None,
    secret: NewSecret | None = None,
    status: int | None = None,
) -> Response:
    """Render the page of a developer's account. Their keys are shown to themselves and to admins."""
    forms, removed = forms or FormState(), view.removed_at is not None
    mine, manages = view.name == who.requester.developer, who.requester.may("administer")
    keys, further, problem = await _keys(request, who, view) if mine or manages else ((), None, "")
    return await state_of(request).renderer.page(
        "person.html",
        who,
        status=status or forms.status,
        view=view,
        mine=mine,
        manages=manages and not removed,
        sees_keys=mine or manages,
        keys=keys,
        further=further,
        problem=problem,
        forms=forms,
        secret=secret,
        done=DONE.get(request.query_params.get("done", ""), "") if forms.status == 200 and secret is None else "",
        roles=ROLES,
        open_link=people.DEFAULT_OPEN,
        calls=address(who, f"{PATH}/calls", developer=view.name),
        spend=address(who, f"{PATH}/spend", by="session", developer=view.name),
    )


async def refused(request: Request, who: Visitor, name: str, form: str, sent: FormData, error: CairnError) -> Response:
    """Show the page of a developer's account again, with the form that was refused."""
    view = await administration.show_developer(who.services, who.requester, name)
    return await shown(request, who, view, forms=FormState.refused(form, sent, error))


def person_path(name: str) -> str:
    return f"{PATH}/people/{quote(name, safe='')}"


def role_of(form: FormData) -> DeveloperRole:
    """Return the role that a form names. InvalidInput for one that there isn't."""
    given = text_of(form, "role")
    for each in ROLES:
        if each == given:
            return each
    raise InvalidInput("There is no such role: choose one from the list.", param="role")


async def _keys(request: Request, who: Visitor, view: DeveloperView) -> tuple[Sequence[KeyDetails], str | None, str]:
    """Read one page of a developer's keys, the ended ones too: (keys, the address of the next page, what is wrong with this one's)."""
    page, problem = await page_at(
        request.query_params.get("before"),
        lambda place: list_keys(who.services, who.requester, PageWanted(KEYS_SHOWN, after=place), developer=view.name, ended=True),
    )
    return page.entries, address(who, person_path(view.name), before=page.next) if page.next else None, problem


async def _removal_page(request: Request, who: Visitor, name: str, *, forms: FormState | None = None) -> Response:
    view = await administration.show_developer(who.services, who.requester, name)
    if view.removed_at is not None:
        raise NotFound(f"{view.name} is already removed, which can't be undone.")
    forms = forms or FormState()
    return await state_of(request).renderer.page(
        "removal.html",
        who,
        status=forms.status,
        view=view,
        mine=view.name == who.requester.developer,
        sessions=await people.count_sessions(who.services, who.requester, view),
        forms=forms,
    )


def _to(who: Visitor, name: str, done: str) -> Response:
    return RedirectResponse(address(who, person_path(name), done=done), status_code=303)
