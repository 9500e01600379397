"""Installs the dashboard: sign-in with a key, sign-out, static files, and the page for unknown paths."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import RedirectResponse

from app.dashboard.budget import router as budget
from app.dashboard.items import router as items
from app.dashboard.knowledge import router as knowledge
from app.dashboard.live import router as live
from app.dashboard.page_route import SIGN_IN, PageRoute, retry_after
from app.dashboard.sessions import router as sessions
from app.dashboard.state import DashboardState, state_of
from app.dashboard.system import router as system
from app.dashboard.team import router as team
from app.dashboard.visitor import MAX_FIELDS, PATH, check_origin, delete_cookie, set_cookie, text_of, verified_form, visitor
from app.errors import InvalidInput, NotAuthenticated, NotFound, RateLimited
from app.settings import Settings
from app.web import errors
from app.web.connections import mark_keyed
from app.web.forwarded import bucket
from app.web.redirects import local_path
from app.web.requester import services_of

log = structlog.get_logger()

MAX_KEY_CHARS = 200
WRONG = "This key is not valid: it may be mistyped or revoked. An admin can create a new one."

router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)
rest = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)


def install(app: FastAPI, settings: Settings) -> None:
    """Add the pages to the application, unless they are disabled in the settings."""
    if settings.dashboard.enabled:
        app.state.dashboard = DashboardState(settings)
        for each in (router, budget, team, knowledge, items, sessions, system, live, rest):
            app.include_router(each)


@router.get("")
async def home(request: Request) -> Response:
    who = await visitor(request)
    first = "team" if who.requester.is_admin else "budget"
    return RedirectResponse(f"{PATH}/{first}{who.team_query}", status_code=303)


@router.get("/sign-in")
async def sign_in_form(request: Request) -> Response:
    return await _sign_in_page(request)


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
        return await _sign_in_page(request, status=errors.status_of(error), problem=error.message)
    mark_keyed(request.scope)
    log.info("dashboard.signed_in", sign_in=str(begun)[:8])
    answer = RedirectResponse(_wanted(request), status_code=303)
    set_cookie(answer, services, begun, secure=request.url.scheme == "https")
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
    address = request.client.host if request.client else ""  # behind a trusted proxy: the client's own address (web/protocol.py)
    log.info("dashboard.refused", address=address)
    try:
        state.throttle.failed(bucket(address))
    except RateLimited as error:
        return await _sign_in_page(request, status=errors.status_of(error), problem=error.message, headers=retry_after(error))
    return await _sign_in_page(request, status=errors.status_of(wrong), problem=WRONG)


async def _sign_in_page(
    request: Request, *, status: int = 200, problem: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    ended = request.query_params.get("ended") == "1" and problem is None
    wanted = _wanted(request)
    return await state_of(request).renderer.page(
        "sign_in.html", None, status=status, headers=headers, problem=problem, ended=ended, wanted="" if wanted == PATH else wanted
    )


def _wanted(request: Request) -> str:
    """Return the page to open after the sign-in: always one of ours, whatever the address says."""
    wanted = local_path(request.query_params.get("next", ""), otherwise=PATH)
    path = unquote(urlsplit(wanted).path)
    within = path == PATH or (path.startswith(f"{PATH}/") and "//" not in path and ".." not in path.split("/"))
    return wanted if within else PATH
