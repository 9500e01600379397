"""Sign-in with an OpenID provider: the way there, and the way back. What is said on it is verified in `app/openid/`."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app.dashboard.page_route import PageRoute, retry_after
from app.dashboard.sign_in_page import sign_in_page, wanted_page
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, for_https_alone, set_cookie
from app.errors import CairnError, NotAuthenticated, NotFound, RateLimited
from app.openid.part import CALLBACK_PATH
from app.openid.sign_in import ATTEMPT_SECONDS, NotBegunHere, OpenIdSignIn
from app.services.openid import sign_in
from app.web import errors, redirects
from app.web.connections import mark_keyed
from app.web.forwarded import bucket
from app.web.requester import services_of

log = structlog.get_logger()

BEGIN_PATH: Final = f"{PATH}/sign-in/openid"
COOKIE: Final = "cairn_openid"

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(BEGIN_PATH)
async def begin(request: Request) -> Response:
    """Send the browser to the provider. A link rather than a form: browsers hold a form's redirects against `form-action`, too."""
    try:
        attempt = await _openid_of(request).begin(wanted_page(request))
    except CairnError as error:
        return await _refused(request, error)
    redirects.allow(request.scope, attempt.url)
    answer = RedirectResponse(attempt.url, status_code=303, headers={"cache-control": "no-store"})
    answer.headers["location"] = attempt.url  # as it is: what is compared with what was allowed
    answer.set_cookie(
        COOKIE, attempt.cookie, max_age=ATTEMPT_SECONDS, path=BEGIN_PATH, httponly=True, samesite="lax", secure=for_https_alone(request)
    )
    return answer


@router.get(CALLBACK_PATH)
async def callback(request: Request) -> Response:
    """Sign in whoever comes back from the provider, and redirect to the page that was asked for."""
    services, openid, returns = services_of(request), _openid_of(request), state_of(request).failed_returns
    address = bucket(request.client.host if request.client else "")  # behind a trusted proxy: the client's own (web/protocol.py)
    try:
        returns.check(address)
        identity, wanted = await openid.complete(request.cookies.get(COOKIE), dict(request.query_params))
        begun = await sign_in(services, identity)
    except CairnError as error:
        if isinstance(error, NotAuthenticated) and not isinstance(error, NotBegunHere):
            with suppress(RateLimited):  # checked above
                returns.failed(address)
        return await _refused(request, error)
    mark_keyed(request.scope)
    log.info("dashboard.signed_in", sign_in=str(begun)[:8], provider=openid.settings.name)
    answer = RedirectResponse(wanted or PATH, status_code=303, headers={"cache-control": "no-store"})
    set_cookie(answer, services, begun, secure=for_https_alone(request))
    _delete_cookie(answer)
    return answer


async def _refused(request: Request, error: CairnError) -> Response:
    """Show the sign-in page with the reason: a key signs in as well."""
    log.info("dashboard.openid_refused", code=error.code)
    answer = await sign_in_page(request, status=errors.status_of(error), problem=error.message, headers=retry_after(error))
    _delete_cookie(answer)
    return answer


def _openid_of(request: Request) -> OpenIdSignIn:
    found = services_of(request).openid
    if found is None:
        raise NotFound("Sign-in with OpenID is not set up here: sign in with your key.")
    return found


def _delete_cookie(answer: Response) -> None:
    answer.delete_cookie(COOKIE, path=BEGIN_PATH, httponly=True, samesite="lax")
