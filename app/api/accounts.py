"""Routes of teams, developers and their keys, for admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.accounts.accounts import DEFAULT_TEAM
from app.accounts.requester import DeveloperRole
from app.accounts.views import DeveloperView
from app.api.schema import AccountName, RequestBody, ResponseBody
from app.errors import InvalidInput
from app.money import from_usd, to_usd
from app.services import administration
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

ROLES = (
    "A lead may also change what others of the team wrote, and read the budgets of the team. An auditor reads the same as a lead, "
    "but changes nothing and calls no model."
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


class DeveloperBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "ada", "team": "payments"}]})

    name: AccountName
    team: AccountName = DEFAULT_TEAM
    monthly_limit_usd: float | None = Field(
        None,
        strict=True,
        ge=0,
        le=1_000_000,
        description="Monthly spending limit. Default: the setting `budget.monthly_limit_usd`.",
        examples=[8.33],
    )

    role: DeveloperRole = Field("developer", description=ROLES)


class RoleBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "lead"}]})

    role: DeveloperRole = Field(description=ROLES)


class DeveloperReply(ResponseBody):
    name: str = Field(examples=["ada"])
    team: str = Field(examples=["payments"])
    monthly_limit_usd: float = Field(examples=[8.33])
    role: DeveloperRole
    keys: int = Field(description="Number of keys that are not revoked.")
    created_at: datetime


class DeveloperList(ResponseBody):
    developers: list[DeveloperReply]


class KeyReply(ResponseBody):
    """A new key. `key` is returned this once; only its hash is stored."""

    id: UUID
    key: str


@router.post("/teams", status_code=201, summary="Create a team", responses=responses(400, 409, 413))
async def create_team(services: TheServices, admin: Admin, body: TeamBody) -> TeamReply:
    return TeamReply.model_validate(await administration.create_team(services, admin, body.name))


@router.get("/teams", summary="List teams", responses=responses())
async def list_teams(services: TheServices, admin: Admin) -> TeamList:
    return TeamList(teams=[TeamReply.model_validate(team) for team in await administration.list_teams(services, admin)])


@router.post("/developers", status_code=201, summary="Create a developer", responses=responses(400, 409, 413))
async def create_developer(services: TheServices, admin: Admin, body: DeveloperBody) -> DeveloperReply:
    limit = None if body.monthly_limit_usd is None else _nanousd(body.monthly_limit_usd)
    made = await administration.create_developer(services, admin, body.name, team=body.team, monthly_limit_nanousd=limit, role=body.role)
    return _developer(made)


@router.get("/developers", summary="List developers", responses=responses())
async def list_developers(services: TheServices, admin: Admin) -> DeveloperList:
    return DeveloperList(developers=[_developer(each) for each in await administration.list_developers(services, admin)])


@router.patch("/developers/{name}", summary="Change a developer's role", responses=responses(400, 413))
async def set_role(
    services: TheServices, admin: Admin, name: Annotated[AccountName, Path(description="The developer's name.")], body: RoleBody
) -> DeveloperReply:
    return _developer(await administration.set_role(services, admin, name, body.role))


@router.post(
    "/developers/{name}/keys",
    status_code=201,
    summary="Create a key for a developer",
    responses=responses(),
)
async def create_key(
    services: TheServices, admin: Admin, name: Annotated[AccountName, Path(description="The developer's name.")]
) -> KeyReply:
    key_id, key = await administration.create_key(services, admin, name)
    return KeyReply(id=key_id, key=key)


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    summary="Revoke a key",
    responses=responses(),
    response_class=Response,
)
async def revoke_key(services: TheServices, admin: Admin, key_id: UUID) -> None:
    await administration.revoke_key(services, admin, key_id)


def _developer(view: DeveloperView) -> DeveloperReply:
    return DeveloperReply(
        name=view.name,
        team=view.team,
        monthly_limit_usd=to_usd(view.monthly_limit_nanousd),
        role=view.role,
        keys=view.keys,
        created_at=view.created_at,
    )


def _nanousd(amount: float) -> int:
    try:
        return from_usd(amount)
    except ValueError as error:
        raise InvalidInput(f"monthly_limit_usd {error}.", param="monthly_limit_usd") from None
