"""The routes `/` and `/v1`: they lead a person to the dashboard, and tell a program what there is. Neither takes a key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import Field

from app import __version__
from app.api import reference
from app.api.schema import ResponseBody
from app.web.requester import services_of

ROOT_PATH, VERSION_PATH = "/", "/v1"
DASHBOARD_PATH = "/dashboard"
HTML = "text/html"

router = APIRouter(tags=["operations"])


class FrontReply(ResponseBody):
    """The paths to go on to."""

    name: str = Field("cairn")
    version: str = Field(__version__)
    docs: str = Field(reference.DOCS_PATH, description="The routes, to read and to try.")
    openapi: str = Field(reference.DESCRIPTION_PATH, description="The same for programs.")
    dashboard: str | None = Field(description="The pages for people. Null: the pages are off.", examples=[DASHBOARD_PATH])
    health: str = Field("/healthz", description="Whether the server is alive.")
    readiness: str = Field("/readyz", description="Whether the server's dependencies are available.")


@router.get(
    ROOT_PATH,
    summary="Redirect a browser to the dashboard, or list the server's entry points",
    description="A browser is redirected to the dashboard, or to `/docs` if the dashboard is off; other clients get the list of paths.",
    response_model=FrontReply,
    responses={303: {"description": "A browser: to the dashboard"}},
)
async def root(request: Request) -> Response:
    dashboard = _dashboard(request)
    vary = {"vary": "accept"}
    if HTML in request.headers.get("accept", ""):
        return RedirectResponse(dashboard or reference.DOCS_PATH, status_code=303, headers=vary)
    return JSONResponse(FrontReply(dashboard=dashboard).model_dump(), headers=vary)


@router.get(VERSION_PATH, summary="List the entry points")
async def version(request: Request) -> FrontReply:
    return FrontReply(dashboard=_dashboard(request))


def _dashboard(request: Request) -> str | None:
    return DASHBOARD_PATH if services_of(request).settings.dashboard.enabled else None
