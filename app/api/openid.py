"""Routes of sign-in with an OpenID provider, for admins: whether it works, and which account there is which developer."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.listing import TimedListing
from app.api.schema import NamedDeveloper, Plain, RequestBody, ResponseBody
from app.services import openid
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=AuthenticatedRoute)


class OpenIdReply(ResponseBody):
    """Sign-in with an OpenID provider. All null: none is set."""

    name: str | None = Field(examples=["Acme"])
    issuer: str | None = Field(examples=["https://login.example.com"])
    callback: str | None = Field(description="The redirect URI to enter at the provider. Null: there is no dashboard to sign in to.")
    problem: str | None = Field(description="Why it can't be used now; null: it can.")


class OpenIdAccountReply(ResponseBody):
    """A developer's account at a provider."""

    developer: str = Field(examples=["ada"])
    issuer: str
    subject: str | None = Field(description="Who it is at the provider, for ever; null: the address hasn't signed in yet.")
    email: str | None = Field(description="As the provider said last, or as an admin linked it.", examples=["ada@example.com"])
    created_at: datetime
    last_used_at: datetime | None


class OpenIdAccountList(ResponseBody):
    accounts: list[OpenIdAccountReply]
    next_cursor: NextCursor


class OpenIdLinkBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "ada@example.com"}]})

    email: Plain = Field(min_length=3, max_length=254, description="An address that the provider has verified.")


@router.get("/openid", summary="Sign-in with an OpenID provider: whether it works", responses=responses())
async def show_openid(services: TheServices, admin: Admin) -> OpenIdReply:
    return OpenIdReply.model_validate(await openid.check(services, admin))


@router.get("/openid/accounts", summary="List developers' accounts at OpenID providers", responses=responses())
async def list_openid_accounts(services: TheServices, admin: Admin, listing: TimedListing) -> OpenIdAccountList:
    page = await openid.list_linked(services, admin, listing.wanted)
    shown = [OpenIdAccountReply.model_validate(each) for each in page.entries]
    return OpenIdAccountList(accounts=shown, next_cursor=listing.next_cursor(page.next))


@router.put(
    "/developers/{name}/openid",
    summary="Link a developer to an address at the OpenID provider",
    description="Whoever has this verified address signs in as the developer. Replaces an address that hasn't signed in yet.",
    responses=responses(400, 409, 413),
)
async def link_openid(services: TheServices, admin: Admin, name: NamedDeveloper, body: OpenIdLinkBody) -> OpenIdAccountReply:
    return OpenIdAccountReply.model_validate(await openid.link(services, admin, name, email=body.email))


@router.delete(
    "/developers/{name}/openid",
    status_code=204,
    summary="Unlink a developer's account at the OpenID provider, and end its sign-ins",
    responses=responses(),
    response_class=Response,
)
async def unlink_openid(services: TheServices, admin: Admin, name: NamedDeveloper) -> None:
    await openid.unlink(services, admin, name)
