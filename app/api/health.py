"""Alive, ready, measured."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from app.api.schema import Reply
from app.errors import Unavailable
from app.money import to_usd
from app.services import Services
from app.services.readiness import readiness
from app.storage.replicas.replicated import ReplicatedDatabase
from app.telemetry import metrics
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Scraper, TheServices

router = APIRouter(tags=["operations"], route_class=AuthenticatedRoute)

State = Literal["ok", "degraded", "down"]


class Health(Reply):
    status: Literal["ok"] = "ok"


class Readiness(Reply):
    """`status` is the worst that matters: only the database is essential."""

    status: State
    database: State
    replicas: State | None = Field(None, description="Degraded: at least one is left alone, and others answer. Absent where there is none.")
    vectors: State = Field(description="Degraded: the vector index is away, or is being rebuilt; searches answer by words.")
    embeddings: State = Field(description="Degraded: the embedding model can't be loaded yet; searches answer by words.")
    redis: State | None = Field(None, description="Absent where there is none.")
    worker: State | None = Field(None, description="The embedded worker; absent beside a team's own workers.")
    reasons: dict[str, str] | None = Field(None, description="Why a dependency is not ok, and what happens next, where that is known.")


@router.get("/healthz", summary="Alive?")
async def healthz() -> Health:
    return Health()


@router.get(
    "/readyz",
    summary="Each dependency: ok, degraded or down",
    responses={503: {"model": Readiness, "description": "The database is down"}},
    response_model_exclude_none=True,
)
async def readyz(services: TheServices, response: Response) -> Readiness:
    found = await readiness(services)
    states = found.states
    status: State = "ok"
    if states["database"] == "down":
        status = "down"
        response.status_code = errors.STATUS[Unavailable]
        response.headers["retry-after"] = "1"
    elif set(states.values()) != {"ok"}:
        status = "degraded"
    return Readiness.model_validate({"status": status, **states, "reasons": found.reasons or None})


@router.get(
    "/metrics",
    summary="Prometheus's page",
    description="Takes the admin key or the scrape key (`CAIRN_SCRAPE_KEY`).",
    dependencies=[Scraper],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"example": 'cairn_jobs{state="done"} 12.0\n'}}, "description": "Prometheus text"},
        **responses(),
    },
)
async def measurements(services: TheServices) -> Response:
    pool = services.database.pool()
    metrics.set_pool(size=pool.size, most=pool.most, checked_out=pool.checked_out, overflow=pool.overflow)
    # A part that is away leaves its gauges as they were; `cairn_up` says so.
    await asyncio.gather(_rows(services), _points(services), _messages(services))
    metrics.set_dependencies((await readiness(services)).states)
    if isinstance(services.database, ReplicatedDatabase):
        for each in services.database.standbys:
            lag = each.lag
            metrics.set_replica(each.name, usable=each.usable, lag=None if lag is None else (lag.seconds, lag.bytes))
    for name, breaker in services.inference.catalog.breakers.items():
        metrics.set_breaker(name, breaker.state)
    for cache in services.caches.values():
        metrics.set_cache(cache.name, cache.figures())
    return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)


async def _rows(services: Services) -> None:
    with suppress(Unavailable):
        metrics.set_jobs(await services.queue.counts())
        metrics.set_knowledge(items=await services.knowledge.store.count(), pending=await services.knowledge.index.pending())
        backlog = await services.queue.backlog()
        metrics.set_queues(jobs=backlog.waiting, oldest_seconds=backlog.oldest_seconds)
        for name, standing in (await services.sessions.checkpoints.behind(services.sessions.projections.versions)).items():
            metrics.set_projection(name, behind=standing.behind, parked=standing.parked)
        metrics.set_firing((each.rule, each.severity) for each in await services.watch.alarms.firing())
        metrics.set_budgets(
            [
                (name, to_usd(each.spent), to_usd(each.held), None if each.limit is None else to_usd(each.limit))
                for name, each in await services.budget.budgets.spending()
            ]
        )


async def _messages(services: Services) -> None:
    with suppress(Unavailable):
        metrics.set_messages_waiting(await services.messages.waiting())


async def _points(services: Services) -> None:
    with suppress(Unavailable):
        status = await services.vectors.status()
        metrics.set_points(points=status.points, unindexed=status.unindexed)
