"""Routes for operators: liveness, readiness, Prometheus metrics."""

from __future__ import annotations

from typing import ClassVar, Literal

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.schema import ResponseBody
from app.errors import Unavailable
from app.services.gauges import set_gauges
from app.services.readiness import readiness
from app.telemetry import metrics
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Scraper, TheServices

router = APIRouter(tags=["operations"], route_class=AuthenticatedRoute)

State = Literal["ok", "degraded", "down"]


class Health(ResponseBody):
    status: Literal["ok"] = "ok"


class ReadinessReply(ResponseBody):
    """The server's state and that of each dependency. Further parts may appear under names of their own."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, State] = Field(init=False)

    status: State = Field(description="`down` if the database is; else `degraded` if any part is not `ok`.")
    database: State
    replicas: State | None = Field(
        None,
        description=("Degraded: at least one replica is not used, because it is unavailable or too far behind. Absent without replicas."),
    )
    disk: State = Field(description="Degraded: the disk of the data folder is nearly full, or full; `reasons` says how much is left.")
    vectors: State = Field(description="Degraded: the vector index is unavailable or being rebuilt; searches are by words only.")
    embeddings: State = Field(description="Degraded: the embedding model can't be loaded yet; searches are by words only.")
    loops: State | None = Field(None, description="Degraded: background work fails repeatedly, see `reasons`. Absent otherwise.")
    redis: State | None = Field(None, description="Absent without Redis.")
    worker: State | None = Field(None, description="The embedded worker. Absent in server mode, where workers run on their own.")
    reasons: dict[str, str] | None = Field(None, description="Why a part is not `ok`, and what happens next, by its name.")


@router.get("/healthz", summary="Check that the server is alive")
async def healthz() -> Health:
    return Health()


@router.get(
    "/readyz",
    summary="Show whether each dependency is ok, degraded or down",
    responses={503: {"model": ReadinessReply, "description": "The database is down"}},
    response_model_exclude_none=True,
)
async def readyz(services: TheServices, response: Response) -> ReadinessReply:
    found = await readiness(services.parts)
    if found.status == "down":
        response.status_code = errors.STATUS[Unavailable]
        response.headers["retry-after"] = "1"
    states = {name: state for name, state in found.states.items() if (name, state) != ("loops", "ok")}
    return ReadinessReply.model_validate({"status": found.status, **states, "reasons": found.reasons or None})


@router.get(
    "/metrics",
    summary="Show all metrics, in Prometheus's format",
    description="Takes the admin key or the scrape key (`CAIRN_SCRAPE_KEY`).",
    dependencies=[Scraper],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"example": 'cairn_jobs{state="done"} 12.0\n'}}, "description": "Prometheus text"},
        **responses(),
    },
)
async def measurements(services: TheServices) -> Response:
    await set_gauges(services.parts)
    return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)
