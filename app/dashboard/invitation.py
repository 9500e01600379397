"""The page behind an invitation's link: says who is invited, and what to type. Opening it uses nothing up: previews do that, too."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dashboard.page_route import PageRoute
from app.dashboard.state import state_of
from app.services.people import INVITATION_PATH, look_at_invitation
from app.web.requester import services_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PRIVATE = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
"""The address is the secret: it is told to nobody else."""


@router.get(INVITATION_PATH + "{token}")
async def invitation(request: Request, token: str) -> Response:
    found = await look_at_invitation(services_of(request), token)
    link = str(request.url.replace(query="", fragment=""))
    return await state_of(request).renderer.page("invitation.html", None, headers=PRIVATE, invitation=found, link=link)
