"""Route classes of the pages: errors are rendered as pages, and a visitor who isn't signed in is redirected to the sign-in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse

from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, AdminsOnly, SignedOut, delete_cookie
from app.errors import CairnError, NotFound, NotPermitted, RateLimited, Unavailable
from app.web import errors, request_ids

log = structlog.get_logger()

SIGN_IN = f"{PATH}/sign-in"
TITLES: dict[type[CairnError], str] = {
    AdminsOnly: "Admins only",
    NotPermitted: "Not allowed",
    NotFound: "Not found",
    RateLimited: "Too many attempts",
    Unavailable: "Temporarily unavailable",
}


class PageRoute(APIRoute):
    """A page: its errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except SignedOut as error:
                return _to_sign_in(request, error)
            except CairnError as error:
                return await _error(request, error)
            except RequestValidationError:
                return await _error(request, NotFound("There is no such page. Go back to the dashboard."))
            except HTTPException as error:
                message = "The form could not be read: reload the page and repeat the change."
                return await _error(request, CairnError(message), status=error.status_code)
            except ClientDisconnect:
                raise
            except Exception:
                log.exception("dashboard.failed", path=request.url.path)
                return await _error(request, CairnError(errors.UNEXPECTED))

        return shown


class DataPageRoute(PageRoute):
    """A page with many queries: such pages are rendered in turns (`fair_turns.py`), so that the API stays fast while many are open."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_turn(request: Request) -> Response:
            if request.method != "GET":
                return await handle(request)
            async with state_of(request).pages.turn():
                return await handle(request)

        return in_turn


def retry_after(error: CairnError) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None)
    return {} if seconds is None else {"retry-after": str(max(1, round(seconds + 0.5)))}


def _wants_page(request: Request) -> bool:
    """Tell whether an error should be a page; our own scripts get JSON, and show its message in place."""
    return "x-csrf" not in request.headers


def _to_sign_in(request: Request, error: SignedOut) -> Response:
    if not _wants_page(request):
        answer: Response = errors.reply_to(error)
    else:
        query = {"next": _place(request)} if request.method == "GET" and request.url.path != PATH else {}
        if error.was:
            query["ended"] = "1"
        answer = RedirectResponse(f"{SIGN_IN}?{urlencode(query)}" if query else SIGN_IN, status_code=303)
    if error.was:
        delete_cookie(answer)
    return answer


def _place(request: Request) -> str:
    """Return the requested path and query, still percent-encoded."""
    path = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path
    return f"{path}?{request.url.query}" if request.url.query else path


async def _error(request: Request, error: CairnError, *, status: int | None = None) -> Response:
    """Render an error as a page or as JSON. `status` replaces the error's own in `web/errors.py`."""
    status, headers = status or errors.status_of(error), retry_after(error)
    if not _wants_page(request):
        return errors.reply(status, error.message, "refused", headers=headers)
    title = next((TITLES[kind] for kind in type(error).__mro__ if kind in TITLES), "The request failed")
    return await state_of(request).renderer.page(
        "error.html", None, status=status, headers=headers, title=title, message=error.message, request_id=request_ids.current()
    )
