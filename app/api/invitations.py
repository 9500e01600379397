"""Routes of invitations: made, listed and revoked by admins, and used by whoever has the link, without a key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from app.accounts.accounts import DEFAULT_TEAM
from app.accounts.requester import DeveloperRole
from app.accounts.views import InvitationState
from app.api.expiry import Expires
from app.api.keys import KeyReply, key_reply
from app.api.listing import TimedListing
from app.api.schema import AccountName, Plain, RequestBody, ResponseBody
from app.services import people
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.idempotent import ONCE_SECRET
from app.web.paging import NextCursor
from app.web.requester import Admin, TheServices

ACCEPT_PATH = "/v1/invitations/accept"

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=AuthenticatedRoute)


class InvitationBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"team": "payments", "expires": "7d"}]})

    team: AccountName | None = Field(None, description=f"For a new developer. Default: `{DEFAULT_TEAM}`.")
    role: DeveloperRole | None = Field(None, description="For a new developer. Default: `developer`.")
    expires: Expires = people.DEFAULT_OPEN


class InvitationReply(ResponseBody):
    """An invitation without its token."""

    id: UUID
    developer: str = Field(examples=["ada"])
    team: str = Field(examples=["payments"])
    role: DeveloperRole
    state: InvitationState
    created_by: str = Field(description="The admin who made it; `admin`: the admin key.")
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class NewInvitationReply(InvitationReply):
    """A new invitation. `token` and `link` are returned this once; only their hash is stored."""

    token: str
    link: str = Field(
        description="At `server.public_url`, else the address under which this request came.",
        examples=["https://cairn.example/invite/Zk3…"],
    )


class InvitationList(ResponseBody):
    invitations: list[InvitationReply]
    next_cursor: NextCursor


class AcceptBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "Zk3…", "key_name": "laptop"}]})

    token: Plain = Field(min_length=1, max_length=200, description="The last part of the link.")
    key_name: AccountName | None = Field(None, description="Name of the new key. Default: today's date.", examples=["laptop"])


class AcceptReply(ResponseBody):
    """A new key, returned this once, and its developer."""

    developer: str
    team: str
    role: DeveloperRole
    key: KeyReply


@router.post(
    "/developers/{name}/invitations",
    status_code=201,
    summary="Invite a developer",
    description=(
        "The link is shown only once. A retry with the same `idempotency-key` creates no second invitation; the reply names the "
        "first one's id."
    ),
    dependencies=[ONCE_SECRET],
    responses=responses(400, 409, 413),
)
async def invite(
    services: TheServices,
    admin: Admin,
    name: Annotated[AccountName, Path(description="The developer's name; a new developer is created.")],
    request: Request,
    body: InvitationBody | None = None,
) -> NewInvitationReply:
    given = body or InvitationBody()
    made, token = await people.invite(services, admin, name, team=given.team, role=given.role, expires=given.expires)
    link = people.invitation_link(services, token, came_under=str(request.base_url))
    return NewInvitationReply(**InvitationReply.model_validate(made).model_dump(), token=token, link=link)


@router.get("/invitations", summary="List invitations", responses=responses())
async def list_invitations(
    services: TheServices,
    admin: Admin,
    listing: TimedListing,
    *,
    ended: Annotated[bool, Query(description="Also list used, revoked and expired invitations.")] = False,
) -> InvitationList:
    page = await people.list_invitations(services, admin, listing.wanted, ended=ended)
    shown = [InvitationReply.model_validate(each) for each in page.entries]
    return InvitationList(invitations=shown, next_cursor=listing.next_cursor(page.next))


@router.delete(
    "/invitations/{invitation_id}", status_code=204, summary="Revoke an invitation", responses=responses(), response_class=Response
)
async def revoke_invitation(services: TheServices, admin: Admin, invitation_id: UUID) -> None:
    await people.revoke_invitation(services, admin, invitation_id)


@router.post(
    ACCEPT_PATH.removeprefix("/v1"),
    status_code=201,
    summary="Exchange an invitation for a key",
    description="Needs no key, only the token, which works once.",
    responses=responses(400, 409, 413),
)
async def accept(services: TheServices, body: AcceptBody) -> AcceptReply:
    invitation, key = await people.redeem(services, body.token, key_name=body.key_name)
    return AcceptReply(developer=invitation.developer, team=invitation.team, role=invitation.role, key=key_reply(key))
