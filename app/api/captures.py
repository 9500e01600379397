"""The route that tells whose sessions are captured, and by which ways."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.sessions.event import CaptureWay
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/captures", tags=["sessions"], route_class=AuthenticatedRoute)


class UsedWayReply(ResponseBody):
    way: CaptureWay = Field(
        description="`hook`: an IDE's hooks; `watch`: `cairn watch`; `upload`: a file sent whole; `events`: a program that sends its own."
    )
    first_at: datetime = Field(description="When something first came this way.")
    last_at: datetime = Field(description="When something last came this way, to within a minute.")


class CaptureReply(ResponseBody):
    """A developer and an agent, with the ways by which their sessions come."""

    developer: str | None = Field(description="Null: the admin key, or somebody who was removed.", examples=["ada"])
    agent: str | None = Field(
        description="Null: nothing was captured from this developer, or nothing in the last 30 days.", examples=["claude-code"]
    )
    ways: list[UsedWayReply] = Field(description="The latest first. Empty: what there is came before ways were noted.")
    sessions: int = Field(description="Number of sessions with an event in the last 30 days.", examples=[12])
    last_event_at: datetime | None = Field(description="When the last event happened of what came in 30 days. Null: nothing came.")
    silent: bool = Field(
        description="Nothing has come or happened for 7 days: a pause, of which the server isn't told, a hook that fails, or other work."
    )


class CaptureList(ResponseBody):
    captures: list[CaptureReply]


@router.get(
    "",
    summary="List whose sessions are captured, by developer and agent",
    description="An admin or lead sees the team, everybody else themselves.",
    responses=responses(),
)
async def list_captures(services: TheServices, caller: Reader) -> CaptureList:
    return CaptureList(captures=[CaptureReply.model_validate(each) for each in await services.sessions.captures.list(caller)])
