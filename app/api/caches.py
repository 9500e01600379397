"""Routes of caches: the counters of each tier; emptying a cache."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from app.api.schema import Label, ResponseBody
from app.money import to_usd
from app.services.operations import ShownCache, empty_cache, list_caches
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["caches"], route_class=AuthenticatedRoute)


class TierReply(ResponseBody):
    """Counters of a tier since this server started. A shared tier (`redis`, `database`) has no `entries`, `bytes` and `evictions`."""

    tier: str = Field(examples=["memory"])
    hits: int
    misses: int
    entries: int | None = None
    bytes: int | None = None
    evictions: int | None = None
    errors: int = 0
    skipped: int = Field(0, description="Reads and writes that skipped the tier, because it had just failed.")
    guarded: int | None = Field(
        None, description="Semantic tier: similar prompts that were rejected because a word, name or number in them differed."
    )


class CacheReply(ResponseBody):
    name: str = Field(examples=["completions"])
    saved_usd: float = Field(0, description="Cost of the provider calls that cached answers replaced, since this server started.")
    saved_seconds: float = Field(0, description="Time that cached answers saved, since this server started.")
    tiers: list[TierReply]


class CacheList(ResponseBody):
    caches: list[CacheReply]


class Flushed(ResponseBody):
    entries: int = Field(description="Number of entries that were removed from this server's memory.")


@router.get("/caches", summary="Show the caches' contents, hit counts and savings", responses=responses())
async def caches(services: TheServices, admin: Admin) -> CacheList:
    return CacheList(caches=[_reply(each) for each in list_caches(services, admin)])


@router.delete("/caches/{name}", summary="Empty a cache, in all its tiers, on all servers", responses=responses())
async def flush(
    services: TheServices,
    admin: Admin,
    name: Annotated[Label, Path(max_length=100, description="The cache's name, as `GET /v1/caches` lists it.")],
) -> Flushed:
    return Flushed(entries=await empty_cache(services, admin, name))


def _reply(cache: ShownCache) -> CacheReply:
    tiers = [TierReply.model_validate({"tier": name, **figures}) for name, figures in cache.tiers.items()]
    return CacheReply(name=cache.name, saved_usd=to_usd(cache.saved_nanousd), saved_seconds=cache.saved_seconds, tiers=tiers)
