"""Routes of exports as JSON Lines: a team's knowledge, and all that a team has. A developer's sessions alone: `accounts.py`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from app.api.schema import ProjectFilter
from app.services.item_export import export_knowledge
from app.services.team_export import export_team
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.json_lines import LINES, json_lines
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1", tags=["exports"], route_class=AuthenticatedRoute)


@router.get(
    "/knowledge/export",
    summary="Export the items",
    description=(
        "One JSON object a line, each with its `kind`: `export`, with the number of `items` that follow; each `item` by id, with the fields"
        " of `GET /v1/knowledge/{id}` and its ten newest citations as `evidence`; and last `end`, without which the export is cut off."
        " Items that people judged wrong or retired, and those of projects that are closed to you, are left out."
    ),
    responses={**LINES, **responses()},
    response_class=StreamingResponse,
)
async def knowledge(services: TheServices, reader: Reader, request: Request, *, project: ProjectFilter = None) -> StreamingResponse:
    return json_lines(request, await export_knowledge(services, reader, project=project), name="knowledge.ndjson")


@router.get(
    "/export",
    summary="Export all that the team has",
    description=(
        "One JSON object a line, each with its `kind`: `export`; every `developer` and their `key`s (without the secret), `project`,"
        " `session` and after it each `event`, `item` with its `evidence`, `revision`s, `verdict`s, `replacement`s (by another item;"
        " those too that were undone) and `contradiction`s (those too that were decided), `budget`, `movement` and `call`; and last `end`"
        " with the number of each, without which the export is cut off. Amounts are nano-dollars. To an admin it is the whole team, and"
        " each other developer can see that their sessions were exported; to others what their key reads, and what was said only in their"
        " own sessions."
    ),
    responses={**LINES, **responses()},
    response_class=StreamingResponse,
)
async def team(services: TheServices, reader: Reader, request: Request) -> StreamingResponse:
    return json_lines(request, await export_team(services, reader), name="team.ndjson")
