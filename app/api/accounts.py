"""Routes of teams and developers, for admins. Keys: `keys.py`, invitations: `invitations.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from app.accounts.accounts import DEFAULT_TEAM
from app.accounts.requester import DeveloperRole
from app.accounts.views import DeveloperView
from app.api.budgets import Usd, nanousd_of
from app.api.listing import NamedListing
from app.api.schema import REVISION, AccountName, NamedDeveloper, RequestBody, ResponseBody
from app.errors import InvalidInput
from app.money import to_usd
from app.services import administration, people
from app.services.people import SessionsFate
from app.web.authenticated_route import AuthenticatedRoute
from app.web.entity_tags import KnownRevision, revision_tag
from app.web.errors import responses
from app.web.idempotent import ONCE
from app.web.json_lines import LINES, json_lines
from app.web.paging import NextCursor
from app.web.requester import Admin, Reader, TheServices

ROLES = (
    "An admin may do what the admin key may. A lead may also change what others of the team wrote, and read the budgets of the team. "
    "An auditor reads the same as a lead, but changes nothing and calls no model."
)

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=AuthenticatedRoute)


class TeamBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "payments"}]})

    name: AccountName


class TeamReply(ResponseBody):
    name: str = Field(examples=["payments"])
    developers: int = Field(description="Number of its developers.")
    created_at: datetime


class TeamList(ResponseBody):
    teams: list[TeamReply]
    next_cursor: NextCursor


class DeveloperBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "ada", "team": "payments"}]})

    name: AccountName
    team: AccountName = DEFAULT_TEAM
    monthly_limit_usd: Usd | None = Field(None, description="Monthly spending limit. Default: the setting `budget.monthly_limit_usd`.")
    role: DeveloperRole = Field("developer", description=ROLES)


class DeveloperChange(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "lead"}, {"disabled": True}]})

    role: DeveloperRole | None = Field(None, description=ROLES)
    disabled: bool | None = Field(None, strict=True, description="True: refuse all their keys and sign-ins. False: accept them again.")


class DeveloperReply(ResponseBody):
    name: str = Field(examples=["ada"])
    team: str = Field(examples=["payments"])
    monthly_limit_usd: float = Field(examples=[8.33])
    role: DeveloperRole
    keys: int = Field(description="Number of keys that are not revoked and have not expired.")
    created_at: datetime
    disabled_at: datetime | None = Field(description="Since when their keys and sign-ins are refused. Null: they are accepted.")
    removed_at: datetime | None = Field(description="When they were removed. `name` is then a replacement; their former name is free.")
    revision: str = Field(description=f"Changes with all of this but the number of keys. {REVISION}", examples=["1f3c9a22b0d54e77"])


class DeveloperList(ResponseBody):
    developers: list[DeveloperReply]
    next_cursor: NextCursor


class RemovalReply(ResponseBody):
    """A removal. The sessions are erased by a job, which goes on after a crash."""

    name: str = Field(
        description="Name under which the ledger and histories show them from now on.", examples=["ada - removed 2026-11-29 1f3c9a22"]
    )
    sessions: int = Field(description="Number of sessions that they had at the removal.")
    job_id: UUID | None = Field(description="The job that erases the sessions: GET /v1/jobs/{id}. Null: they are kept.")


@router.post("/teams", status_code=201, summary="Create a team", dependencies=[ONCE], responses=responses(400, 409, 413))
async def create_team(services: TheServices, admin: Admin, body: TeamBody) -> TeamReply:
    return TeamReply.model_validate(await administration.create_team(services, admin, body.name))


@router.get("/teams", summary="List teams", responses=responses())
async def list_teams(services: TheServices, admin: Admin, listing: NamedListing) -> TeamList:
    page = await administration.list_teams_page(services, admin, listing.wanted)
    return TeamList(teams=[TeamReply.model_validate(team) for team in page.entries], next_cursor=listing.next_cursor(page.next))


@router.post("/developers", status_code=201, summary="Create a developer", dependencies=[ONCE], responses=responses(400, 409, 413))
async def create_developer(services: TheServices, admin: Admin, body: DeveloperBody) -> DeveloperReply:
    limit = None if body.monthly_limit_usd is None else nanousd_of(body.monthly_limit_usd, "monthly_limit_usd")
    made = await administration.create_developer(services, admin, body.name, team=body.team, monthly_limit_nanousd=limit, role=body.role)
    return _developer(made)


@router.get("/developers", summary="List developers", responses=responses())
async def list_developers(
    services: TheServices,
    admin: Admin,
    listing: NamedListing,
    *,
    team: Annotated[AccountName | None, Query(description="Only this team's. Default: those of every team.")] = None,
    removed: Annotated[bool, Query(description="Also list removed developers, under the names they have now.")] = False,
) -> DeveloperList:
    page = await administration.list_developers(services, admin, listing.wanted, team=team, removed=removed)
    return DeveloperList(developers=[_developer(each) for each in page.entries], next_cursor=listing.next_cursor(page.next))


@router.get(
    "/developers/{name}",
    summary="Show a developer",
    description="Oneself; to a lead or auditor those of their team; to an admin anybody.",
    responses=responses(),
)
async def show_developer(services: TheServices, reader: Reader, name: NamedDeveloper, response: Response) -> DeveloperReply:
    return _tagged(response, _developer(await administration.show_developer(services, reader, name)))


@router.patch("/developers/{name}", summary="Change a developer's role, or disable or enable them", responses=responses(400, 409, 412, 413))
async def change_developer(
    services: TheServices, admin: Admin, name: NamedDeveloper, body: DeveloperChange, known: KnownRevision, response: Response
) -> DeveloperReply:
    if body.role is None and body.disabled is None:
        raise InvalidInput("No field to change: send role, disabled, or both.", param="role")
    changed = await administration.change_developer(services, admin, name, role=body.role, disabled=body.disabled, revision=known)
    return _tagged(response, _developer(changed))


@router.delete(
    "/developers/{name}",
    summary="Remove a developer",
    description="Revokes their keys and frees their name. The money ledger stays: what they spent is shown under the name in the answer.",
    responses=responses(409, 412),
)
async def remove_developer(
    services: TheServices,
    admin: Admin,
    name: NamedDeveloper,
    known: KnownRevision,
    *,
    sessions: Annotated[
        SessionsFate, Query(description=("`erase`: purge their sessions, and knowledge found only in these. `keep`: keep their sessions."))
    ],
) -> RemovalReply:
    return RemovalReply.model_validate(await people.remove_developer(services, admin, name, sessions=sessions, revision=known))


@router.get(
    "/developers/{name}/export",
    summary="Export a developer's sessions",
    description="One JSON object a line: the developer, with `waiting`, the number of transcripts that were accepted and are not read yet;"
    " each session and after it its events, as stored, redacted; and last `end` with "
    "their numbers, without which the export is cut off. A developer may export their own, without"
    " those of projects that are closed to them by now; an admin anybody's.",
    responses={**LINES, **responses()},
    response_class=StreamingResponse,
)
async def export(services: TheServices, reader: Reader, name: NamedDeveloper, request: Request) -> StreamingResponse:
    records = await people.export_sessions(services, reader, name)
    return json_lines(request, records, name="sessions.ndjson")


def _developer(view: DeveloperView) -> DeveloperReply:
    return DeveloperReply(
        name=view.name,
        team=view.team,
        monthly_limit_usd=to_usd(view.monthly_limit_nanousd),
        role=view.role,
        keys=view.keys,
        created_at=view.created_at,
        disabled_at=view.disabled_at,
        removed_at=view.removed_at,
        revision=view.revision,
    )


def _tagged(response: Response, reply: DeveloperReply) -> DeveloperReply:
    response.headers["etag"] = revision_tag(reply.revision)
    return reply
