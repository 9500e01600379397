"""Route of the configured providers, for operators."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.services.operations import list_providers
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["models"], route_class=AuthenticatedRoute)


class ProviderReply(ResponseBody):
    """A provider and its circuit breaker on this server."""

    name: str = Field(examples=["groq"])
    model: str
    standing: str = Field(description="`ready`, or why it is not used.", examples=["ready", "no_key"])
    detail: str = Field(description="The state in words, with what to do.")
    breaker: str | None = Field(description="`closed` (in use), `open` (left out) or `half-open` (tried).", examples=["closed"])
    retry_in: float = Field(description="Seconds until it is tried again; 0: no wait.")
    free: bool = Field(description="Whether its calls cost nothing, as those of a local model.")


class ProviderList(ResponseBody):
    providers: list[ProviderReply]


@router.get("/providers", summary="List the providers, with the state of their circuit breakers", responses=responses())
async def providers(services: TheServices, admin: Admin) -> ProviderList:
    found = []
    for each, breaker in list_providers(services, admin):
        found.append(
            ProviderReply(
                name=each.name,
                model=each.model,
                standing=each.readiness,
                detail=each.detail,
                breaker=None if breaker is None else breaker.state,
                free=each.free,
                retry_in=0 if breaker is None else round(max(breaker.seconds_left, breaker.limited_seconds), 1),
            )
        )
    return ProviderList(providers=found)
