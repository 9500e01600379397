"""Route of projections: how many sessions each lags behind, and on which it failed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Caller, TheServices

router = APIRouter(prefix="/v1/projections", tags=["operations"], route_class=AuthenticatedRoute)


class ParkedReply(ResponseBody):
    projection: str
    session_id: UUID
    reason: str
    attempts: int
    retry_at: datetime | None = Field(description="Null: not again before the projection's version changes.")


class ProjectionReply(ResponseBody):
    name: str = Field(examples=["items"])
    version: str
    behind: int = Field(description="Sessions, of all teams, that it has not caught up with yet.")
    parked: int = Field(description="Sessions, of all teams, that it failed on.")


class ProjectionsReply(ResponseBody):
    projections: list[ProjectionReply]
    parked: list[ParkedReply] = Field(description="The latest of this team's sessions that a projection failed on.")


@router.get("", summary="How far projections have caught up with the sessions", responses=responses())
async def projections(services: TheServices, caller: Caller) -> ProjectionsReply:
    versions, checkpoints = services.sessions.projections.versions, services.sessions.checkpoints
    behind = await checkpoints.backlog(versions)
    parked = await checkpoints.parked(versions, team_id=caller.team_id)
    return ProjectionsReply(
        projections=[
            ProjectionReply(name=name, version=version, behind=behind[name].behind, parked=behind[name].parked)
            for name, version in versions.items()
        ],
        parked=[
            ParkedReply(
                projection=each.projection,
                session_id=each.session_id,
                reason=each.reason,
                attempts=each.attempts,
                retry_at=each.retry_at,
            )
            for each in parked
        ],
    )
