"""How each part is, right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.errors import CairnError
from app.services.services import Services
from app.storage.redis import answers
from app.storage.replicas.replicated import ReplicatedDatabase

State = Literal["ok", "degraded", "down"]


REBUILT = "The index lacks items that PostgreSQL holds, and is rebuilt by itself: until then searches answer by words."


@dataclass(frozen=True, slots=True)
class Readiness:
    """What each dependency says right now; of some that aren't ok, why, in a sentence. Only PostgreSQL is essential."""

    states: dict[str, State]
    reasons: dict[str, str]


async def readiness(services: Services) -> Readiness:
    """Ask each dependency."""
    states: dict[str, State] = {"database": "ok", "vectors": "ok", "embeddings": "ok"}
    reasons: dict[str, str] = {}
    try:
        await services.database.ping()
    except CairnError:
        states["database"] = "down"
    if isinstance(services.database, ReplicatedDatabase):
        states["replicas"] = "ok" if services.database.well else "degraded"
    try:
        status = await services.vectors.status()
        if status.unfilled or not services.knowledge.index.complete:
            states["vectors"], reasons["vectors"] = "degraded", REBUILT
    except CairnError as error:
        states["vectors"], reasons["vectors"] = "degraded", error.message
    if (why := services.embedder.away) is not None:
        states["embeddings"] = "degraded"
        reasons["embeddings"] = f"{why}. It is tried again by itself: until then searches answer by words, and what is ingested waits."
    if services.redis is not None:
        states["redis"] = "ok" if await answers(services.redis) else "degraded"
    if services.worker is not None:
        states["worker"] = "ok" if services.worker.alive else "degraded"
    return Readiness(states, reasons)
