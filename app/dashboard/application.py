"""Installs the dashboard: sign-in with a key, sign-out, static files, and the page for unknown paths."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import RedirectResponse

from app.dashboard.budget import router as budget
from app.dashboard.calls import router as calls
from app.dashboard.invitation import router as invitation
from app.dashboard.items import router as items
from app.dashboard.keys import router as keys
from app.dashboard.knowledge import router as knowledge
from app.dashboard.live import router as live
from app.dashboard.now import router as now
from app.dashboard.openid import router as openid
from app.dashboard.page_route import SIGN_IN, PageRoute, retry_after
from app.dashboard.people import router as people
from app.dashboard.person import router as person
from app.dashboard.projects import router as projects
from app.dashboard.prompts import router as prompts
from app.dashboard.review import router as review
from app.dashboard.sessions import router as sessions
from app.dashboard.sign_in_page import sign_in_page, wanted_page
from app.dashboard.spending import router as spending
from app.dashboard.state import DashboardState, state_of
from app.dashboard.stuck import router as stuck
from app.dashboard.system import router as system
from app.dashboard.team import router as team
from app.dashboard.visitor import (
    MAX_FIELDS,
    PATH,
    check_origin,
    delete_cookie,
    for_https_alone,
    set_cookie,
    text_of,
    verified_form,
    visitor,
)
from app.errors import InvalidInput, NotAuthenticated, NotFound, RateLimited
from app.settings import Settings
from app.web import errors
from app.web.connections import mark_keyed
from app.web.forwarded import bucket
from app.web.requester import services_of

log = structlog.get_logger()

MAX_KEY_CHARS = 200
WRONG = "This key is not valid: it may be mistyped or revoked. An admin can create a new one."
NO_GUESS = frozenset({"key_expired", "developer_disabled"})
"""Codes of errors that only the holder of a real key meets: they are told as they are, and are no guesses."""

router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)
rest = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)


def install(app: FastAPI, settings: Settings) -> None:
    """Add the pages to the application, unless they are disabled in the settings."""
    if settings.dashboard.enabled:
        app.state.dashboard = DashboardState(settings)
        accounts = (openid, invitation, budget, team, people, person, keys, projects)
        pages = (spending, calls, now, knowledge, review, items, sessions, stuck, prompts, system, live)
        for each in (router, *accounts, *pages, rest):
            app.include_router(each)


@router.get("")
async def home(request: Request) -> Response:
    who = await visitor(request)
    first = "team" if who.requester.is_admin else "budget"
    return RedirectResponse(f"{PATH}/{first}{who.team_query}", status_code=303)


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    return await sign_in_page(request)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with a valid key and redirect to the page that was asked for. Only invalid keys count against the address."""
    services, state = services_of(request), state_of(request)
    check_origin(request)
    try:
        key = text_of(await request.form(max_files=0, max_fields=MAX_FIELDS), "key")
        begun = await services.sign_ins.begin(key[:MAX_KEY_CHARS], hours=services.settings.dashboard.session_hours)
    except NotAuthenticated as error:
        return await _wrong_key(request, state, error)
    except InvalidInput as error:
        return await sign_in_page(request, status=errors.status_of(error), problem=error.message)
    mark_keyed(request.scope)
    log.info("dashboard.signed_in", sign_in=str(begun)[:8])
    answer = RedirectResponse(wanted_page(request), status_code=303)
    set_cookie(answer, services, begun, secure=for_https_alone(request))
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the sign-in on the server: copies of its cookie become invalid too."""
    who = await visitor(request)
    await verified_form(request, who)
    await who.services.sign_ins.end(who.sign_in)
    answer = RedirectResponse(SIGN_IN, status_code=303)
    delete_cookie(answer)
    return answer


@router.get("/assets/{digest}/{file}")
async def asset(request: Request, digest: str, file: str) -> Response:
    return state_of(request).assets.answer(digest, file, packed="gzip" in request.headers.get("accept-encoding", ""))


@rest.get("/{rest:path}")
async def nothing() -> Response:
    raise NotFound("There is no such page. Go back to the dashboard.")


async def _wrong_key(request: Request, state: DashboardState, wrong: NotAuthenticated) -> Response:
    if wrong.code in NO_GUESS:
        return await sign_in_page(request, status=errors.status_of(wrong), problem=wrong.message)
    address = request.client.host if request.client else ""  # behind a trusted proxy: the client's own address (web/protocol.py)
    log.info("dashboard.refused", address=address)
    try:
        state.wrong_keys.failed(bucket(address))
    except RateLimited as error:
        return await sign_in_page(request, status=errors.status_of(error), problem=error.message, headers=retry_after(error))
    return await sign_in_page(request, status=errors.status_of(wrong), problem=WRONG)
