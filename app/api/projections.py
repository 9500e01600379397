"""Route of projections (what is derived from sessions): how many sessions each lags behind, and on which it failed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/projections", tags=["operations"], route_class=AuthenticatedRoute)


class ParkedReply(ResponseBody):
    """A session that a projection failed on, and leaves out until `retry_at`."""

    projection: str
    session_id: UUID
    reason: str
    attempts: int
    retry_at: datetime | None = Field(description="Null: not before the projection's version changes.")


class ProjectionReply(ResponseBody):
    """A projection, with figures of all teams."""

    name: str = Field(examples=["items"])
    version: str
    behind: int = Field(description="Number of sessions of which it hasn't read all events yet.")
    parked: int = Field(description="Number of sessions that it failed on.")


class ProjectionsReply(ResponseBody):
    projections: list[ProjectionReply]
    parked: list[ParkedReply] = Field(description="This team's sessions that a projection failed on, the latest first.")


@router.get("", summary="Show how far each projection has processed the sessions", responses=responses())
async def projections(services: TheServices, caller: Reader) -> ProjectionsReply:
    report = await services.sessions.reader.projections(caller)
    return ProjectionsReply(
        projections=[
            ProjectionReply(name=name, version=version, behind=report.behind[name].behind, parked=report.behind[name].parked)
            for name, version in report.versions.items()
        ],
        parked=[
            ParkedReply(
                projection=each.projection,
                session_id=each.session_id,
                reason=each.reason,
                attempts=each.attempts,
                retry_at=each.retry_at,
            )
            for each in report.parked
        ],
    )
