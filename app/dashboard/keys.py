"""A developer's keys in the dashboard: made and shown once, limited, and revoked after a question. Listed by `person.py`."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.accounts.views import DeveloperView
from app.dashboard import person
from app.dashboard.filtering import address
from app.dashboard.forms import FormState, once
from app.dashboard.page_route import DataPageRoute
from app.dashboard.person import NewSecret, person_path
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin, text_of, verified_form, visitor
from app.errors import Conflict, InvalidInput, NotFound
from app.money import from_usd
from app.services import administration, keys

router = APIRouter(prefix=f"{PATH}/people", route_class=DataPageRoute, include_in_schema=False)


@router.post("/{name}/keys")
async def create(request: Request, name: str) -> Response:
    """Make a key and show it; no redirect, since a key can be shown only this once."""
    who = await admin(request)
    form = await verified_form(request, who)
    view = await administration.show_developer(who.services, who.requester, name)

    async def act() -> Response:
        called, expires = text_of(form, "name") or None, text_of(form, "expires") or None
        limit = limit_of(form) if "monthly_limit_usd" in form else None
        models = models_of(form) if "models" in form else None
        made = await keys.create_key(
            who.services, who.requester, view.name, name=called, expires=expires, limit_nanousd=limit, models=models
        )
        fresh = await administration.show_developer(who.services, who.requester, name)
        return await person.shown(request, who, fresh, secret=NewSecret("key", made.key, made.expires_at), status=201)

    try:
        return await once(request, who, form, act, secret=True)
    except (InvalidInput, Conflict) as error:
        return await person.refused(request, who, name, "key", form, error)


@router.get("/{name}/keys/{key_id}/limits")
async def show_limits(request: Request, name: str, key_id: UUID) -> Response:
    """Show a key's limit and models, to change them."""
    return await _limits_page(request, await admin(request), name, key_id)


@router.post("/{name}/keys/{key_id}/limits")
async def set_limits(request: Request, name: str, key_id: UUID) -> Response:
    """Set a key's limit and models; an empty field removes what there was."""
    who = await admin(request)
    form = await verified_form(request, who)
    view = await administration.show_developer(who.services, who.requester, name)
    try:
        change = keys.KeyChange(limit_of(form), True, models_of(form), True)
        await keys.change_key(who.services, who.requester, key_id, change, owner=view)
    except (InvalidInput, Conflict) as error:
        return await _limits_page(request, who, name, key_id, forms=FormState.refused("limits", form, error))
    return RedirectResponse(address(who, person_path(view.name), done="key-changed"), status_code=303)


@router.get("/{name}/keys/{key_id}/revoke")
async def confirm_revocation(request: Request, name: str, key_id: UUID) -> Response:
    """Ask before a key is revoked: who uses it, and when it was used last."""
    who = await visitor(request)
    view = await administration.show_developer(who.services, who.requester, name)
    key = (await _unrevoked(who, view, key_id)).key
    return await state_of(request).renderer.page(
        "revocation.html", who, view=view, key=key, current=key.id == who.requester.key_id, forms=FormState()
    )


@router.post("/{name}/keys/{key_id}/revoke")
async def revoke(request: Request, name: str, key_id: UUID) -> Response:
    """Revoke one of one's own keys, as an admin anybody's; the key of this sign-in ends it."""
    who = await visitor(request)
    form = await verified_form(request, who)
    view = await administration.show_developer(who.services, who.requester, name)

    async def act() -> Response:
        await keys.revoke_key(who.services, who.requester, key_id, owner=view)
        return RedirectResponse(address(who, person_path(view.name), done="key-revoked"), status_code=303)

    return await once(request, who, form, act)


def limit_of(form: FormData) -> int | None:
    """Return the limit that a form names, in nano-dollars; None: the field is empty. InvalidInput for what is no amount."""
    given = text_of(form, "monthly_limit_usd").removeprefix("$").strip()
    try:
        return from_usd(given) if given else None
    except ValueError as error:
        raise InvalidInput(f"The limit {error}.", param="monthly_limit_usd") from None


def models_of(form: FormData) -> list[str] | None:
    """Return the models that a form names; None: the field is empty."""
    return [each for part in text_of(form, "models").split(",") if (each := part.strip())] or None


async def _unrevoked(who: Visitor, view: DeveloperView, key_id: UUID) -> keys.KeyDetails:
    """Find a developer's key that isn't revoked. NotFound for any other."""
    found = await keys.show_key(who.services, who.requester, key_id, owner=view)
    if found.key.developer != view.name or found.key.revoked_at is not None:
        raise NotFound(f"{view.name} has no such key, or it is already revoked: go back to their page and choose one.")
    return found


async def _limits_page(request: Request, who: Visitor, name: str, key_id: UUID, *, forms: FormState | None = None) -> Response:
    view, forms = await administration.show_developer(who.services, who.requester, name), forms or FormState()
    found = await _unrevoked(who, view, key_id)
    return await state_of(request).renderer.page(
        "key.html", who, status=forms.status, view=view, key=found.key, month=found.month, forms=forms
    )
