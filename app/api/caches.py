"""Caches: what each tier holds and spares; and emptying them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from app.api.schema import Reply
from app.cache.tiers import Tiers
from app.errors import NotFound
from app.money import to_usd
from app.web.errors import responses
from app.web.principal import Admin, TheHouse

router = APIRouter(prefix="/v1", tags=["caches"])


class TierReply(Reply):
    """`entries`, `bytes` and `evictions` are the memory's; a shared tier tells what this server asked of it."""

    tier: str = Field(examples=["memory"])
    hits: int
    misses: int
    entries: int | None = None
    bytes: int | None = None
    evictions: int | None = None
    errors: int = 0
    skipped: int = Field(0, description="Not asked, because it was away.")


class CacheReply(Reply):
    name: str = Field(examples=["completions"])
    saved_usd: float = Field(description="What the answers given again cost when they were made; since this server started.")
    tiers: list[TierReply]


class CacheList(Reply):
    caches: list[CacheReply]


class Flushed(Reply):
    entries: int = Field(description="That this server's memory held.")


@router.get("/caches", summary="What the caches hold and spare", responses=responses())
async def caches(house: TheHouse, admin: Admin) -> CacheList:  # noqa: ARG001 - the key is what counts
    saved = to_usd(house.inference.engine.saved_nanousd)
    return CacheList(caches=[_reply(each, saved) for each in house.inference.caches.values()])


@router.delete("/caches/{name}", summary="Empty a cache, in all its tiers, on all servers", responses=responses())
async def flush(house: TheHouse, admin: Admin, name: Annotated[str, Path(max_length=100)]) -> Flushed:  # noqa: ARG001
    found = house.inference.caches.get(name)
    if found is None:
        raise NotFound(f"There is no cache {name!r}. There are: {', '.join(house.inference.caches)}.", param="name")
    return Flushed(entries=await found.clear())


def _reply(tiers: Tiers, saved_usd: float) -> CacheReply:
    memory = tiers.memory
    shown = [
        TierReply(
            tier="memory",
            hits=memory.hits,
            misses=memory.misses,
            entries=len(memory),
            bytes=memory.size,
            evictions=memory.evictions,
        )
    ]
    for name, counts in tiers.counts.items():
        shown.append(TierReply(tier=name, hits=counts.hits, misses=counts.misses, errors=counts.errors, skipped=counts.skipped))
    return CacheReply(name=tiers.name, saved_usd=saved_usd, tiers=shown)
