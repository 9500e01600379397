"""Teams, developers and their keys: the admin's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.accounts.accounts import DEFAULT_TEAM, DeveloperView
from app.api.schema import AccountName, Body, Reply
from app.errors import InvalidInput
from app.money import from_usd, to_usd
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=AuthenticatedRoute)


class TeamBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "payments"}]})

    name: AccountName


class TeamReply(Reply):
    name: str = Field(examples=["payments"])
    developers: int
    created_at: datetime


class TeamList(Reply):
    teams: list[TeamReply]


class DeveloperBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "ada", "team": "payments"}]})

    name: AccountName
    team: AccountName = DEFAULT_TEAM
    monthly_limit_usd: float | None = Field(
        None,
        strict=True,
        ge=0,
        le=1_000_000,
        description="Default: `budget.monthly_limit_usd` of the settings.",
        examples=[8.33],
    )


class DeveloperReply(Reply):
    name: str = Field(examples=["ada"])
    team: str = Field(examples=["payments"])
    monthly_limit_usd: float = Field(examples=[8.33])
    keys: int = Field(description="Live ones.")
    created_at: datetime


class DeveloperList(Reply):
    developers: list[DeveloperReply]


class KeyReply(Reply):
    """`key` is shown this once; only its hash is stored."""

    id: UUID
    key: str


@router.post("/teams", status_code=201, summary="Make a team", responses=responses(400, 409, 413))
async def create_team(services: TheServices, admin: Admin, body: TeamBody) -> TeamReply:  # noqa: ARG001 - the key is what counts
    return TeamReply.model_validate(await services.accounts.create_team(body.name))


@router.get("/teams", summary="List teams", responses=responses())
async def list_teams(services: TheServices, admin: Admin) -> TeamList:  # noqa: ARG001
    return TeamList(teams=[TeamReply.model_validate(team) for team in await services.accounts.list_teams()])


@router.post("/developers", status_code=201, summary="Make a developer", responses=responses(400, 409, 413))
async def create_developer(services: TheServices, admin: Admin, body: DeveloperBody) -> DeveloperReply:  # noqa: ARG001
    limit = None if body.monthly_limit_usd is None else _nanousd(body.monthly_limit_usd)
    return _developer(await services.accounts.create_developer(body.name, team=body.team, monthly_limit_nanousd=limit))


@router.get("/developers", summary="List developers", responses=responses())
async def list_developers(services: TheServices, admin: Admin) -> DeveloperList:  # noqa: ARG001
    return DeveloperList(developers=[_developer(each) for each in await services.accounts.list_developers()])


@router.post(
    "/developers/{name}/keys",
    status_code=201,
    summary="Make a key for a developer",
    responses=responses(),
)
async def create_key(services: TheServices, admin: Admin, name: Annotated[AccountName, Path()]) -> KeyReply:  # noqa: ARG001
    key_id, key = await services.accounts.create_key(name)
    return KeyReply(id=key_id, key=key)


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    summary="Revoke a key",
    responses=responses(),
    response_class=Response,
)
async def revoke_key(services: TheServices, admin: Admin, key_id: UUID) -> None:  # noqa: ARG001
    await services.accounts.revoke_key(key_id)


def _developer(view: DeveloperView) -> DeveloperReply:
    return DeveloperReply(
        name=view.name,
        team=view.team,
        monthly_limit_usd=to_usd(view.monthly_limit_nanousd),
        keys=view.keys,
        created_at=view.created_at,
    )


def _nanousd(amount: float) -> int:
    try:
        return from_usd(amount)
    except ValueError as error:
        raise InvalidInput(f"monthly_limit_usd {error}.", param="monthly_limit_usd") from None
