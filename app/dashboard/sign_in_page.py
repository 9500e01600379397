"""The sign-in page, whoever shows it: with a key, and with a provider where one is set."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from fastapi import Request, Response

from app.dashboard.state import state_of
from app.dashboard.visitor import PATH
from app.web.redirects import local_path
from app.web.requester import services_of


async def sign_in_page(
    request: Request, *, status: int = 200, problem: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Show the sign-in page, with the `problem` that the last try had."""
    openid = services_of(request).openid
    ended = request.query_params.get("ended") == "1" and problem is None
    wanted = wanted_page(request)
    return await state_of(request).renderer.page(
        "sign_in.html",
        None,
        status=status,
        headers=headers,
        problem=problem,
        ended=ended,
        wanted="" if wanted == PATH else wanted,
        provider=None if openid is None else openid.settings.name,
    )


def wanted_page(request: Request) -> str:
    """Return the page to open after the sign-in: always one of ours, whatever the address says."""
    wanted = local_path(request.query_params.get("next", ""), otherwise=PATH)
    path = unquote(urlsplit(wanted).path)
    within = path == PATH or (path.startswith(f"{PATH}/") and "//" not in path and ".." not in path.split("/"))
    return wanted if within else PATH
