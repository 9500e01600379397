"""Builds the application: middleware, routes, lifespan. Knows no logic of a room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import __version__, dashboard
from app.api import (
    accounts,
    alerts,
    anthropic,
    audit,
    budgets,
    caches,
    captures,
    channels,
    completions,
    context,
    contradictions,
    exports,
    followed,
    freshness,
    front,
    health,
    hooks,
    index,
    intents,
    invitations,
    jobs,
    keys,
    knowledge,
    models,
    movements,
    openid,
    patterns,
    policies,
    projections,
    projects,
    providers,
    redaction,
    reference,
    responses,
    review,
    session_analysis,
    session_costs,
    session_stream,
    sessions,
    similar,
    spending,
    webhooks,
    writing,
)
from app.mcp import routes as mcp
from app.mcp.endpoint import open_endpoint
from app.services import open_services
from app.services.people import INVITATION_PATH
from app.settings import Settings
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.authentication import Authentication, PathAccess
from app.web.cors import CorsHeaders, Preflights
from app.web.error_shapes import MESSAGES_PATH, RESPONSES_PATH
from app.web.fair_turns import FairTurns
from app.web.fast_path import EndpointCall, FastPath
from app.web.position import Position
from app.web.request_middleware import BodyLimit, RequestMiddleware

MODEL_CALLS = ("/v1/chat/completions", "/v1/embeddings", MESSAGES_PATH, RESPONSES_PATH)
ACCESS = PathAccess(
    open=frozenset(
        {
            *(front.ROOT_PATH, front.VERSION_PATH, "/healthz", "/readyz", anthropic.HELLO_PATH),
            *(reference.DESCRIPTION_PATH, reference.DOCS_PATH, *reference.FILE_PATHS, invitations.ACCEPT_PATH, webhooks.GIT_PATH),
        }
    ),
    open_under=INVITATION_PATH,
    pages=dashboard.PATH,
    scraped=frozenset({"/metrics"}),
    models=frozenset(MODEL_CALLS),
)
DESCRIPTION = """\
Coding sessions go in; what the team learnt in them comes out, each with a citation.

Send `Authorization: Bearer KEY` (or `x-api-key: KEY`). A developer's key reads its team's knowledge and sessions, and corrects and
deletes what its developer wrote; the admin key, and a developer with the role admin, may do everything, in the team that `x-cairn-team`
names. Every response carries `x-request-id`; every error is `{"error": {"message", "type", "code", "param", "request_id"}}`, on
Anthropic's routes in their shape.

Lists that grow have pages: pass `next_cursor` as `cursor`. A retry with the same `idempotency-key` creates nothing twice, where a route
takes one. A `GET` with `if-none-match` is 304 while nothing has changed. A query parameter that a route doesn't have is refused.
"""


ROUTERS = (
    completions,
    anthropic,
    responses,
    health,
    front,
    followed,
    session_stream,
    similar,
    hooks,
    captures,
    sessions,
    session_analysis,
    jobs,
    exports,
    freshness,
    review,
    contradictions,
    knowledge,
    writing,
    context,
    mcp,
    redaction,
    intents,
    accounts,
    keys,
    invitations,
    openid,
    budgets,
    movements,
    session_costs,
    spending,
    caches,
    channels,
    models,
    providers,
    index,
    alerts,
    audit,
    projections,
    projects,
    policies,
    patterns,
    webhooks,
)
"""The modules of routes, the busiest first: the router tries them in this order."""


def create_app(settings: Settings) -> FastAPI:
    """Create the application. Its lifespan opens the services and closes them again."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, role="serve") as services:
            app.state.services = services
            async with open_endpoint(max_body_bytes=settings.server.max_body_bytes) as app.state.mcp:
                yield

    app = FastAPI(title="Cairn", version=__version__, description=DESCRIPTION, lifespan=lifespan, openapi_url=None)
    app.state.exports = FairTurns()
    _add_middleware(app, settings)
    errors.install(app)
    for each in ROUTERS:
        app.include_router(each.router)
    reference.install(app)
    dashboard.install(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware from the innermost to the outermost: the fast path of model calls, authentication, read positions (only with
    replicas), preflights (only with CORS), the request, the headers of CORS.
    """
    app.add_middleware(FastPath, calls={("POST", each.path): EndpointCall(each) for each in _routes(MODEL_CALLS)})
    app.add_middleware(Authentication, access=ACCESS)
    model_calls = {("POST", path) for path in MODEL_CALLS}
    if settings.database.replica_urls:  # calls of models are exempt: they read the ledger, which is only ever read at the primary
        app.add_middleware(Position, also_reading={("POST", "/v1/knowledge/query")}, exempt=model_calls)
    server = settings.server
    if server.cors_origins:
        app.add_middleware(Preflights, origins=server.cors_origins)
    of_model_calls = BodyLimit(settings.inference.max_body_bytes, "inference.max_body_bytes")
    limits = dict.fromkeys(model_calls | {("POST", anthropic.COUNT_PATH)}, of_model_calls)
    # A form has other fields beside the transcript, whose own bytes `sessions/uploads.py` counts.
    limits["POST", "/v1/sessions"] = BodyLimit(
        server.max_upload_bytes + server.max_body_bytes, "server.max_upload_bytes + server.max_body_bytes"
    )
    app.add_middleware(RequestMiddleware, limit=BodyLimit(server.max_body_bytes, "server.max_body_bytes"), limits=limits)
    if server.cors_origins:
        app.add_middleware(CorsHeaders, origins=server.cors_origins)


def _routes(paths: Collection[str]) -> Iterator[AuthenticatedRoute]:
    """Find the routes that take a POST at these paths."""
    for module in ROUTERS:
        for route in module.router.routes:
            if isinstance(route, AuthenticatedRoute) and route.path in paths and "POST" in (route.methods or ()):
                yield route
