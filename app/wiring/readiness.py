"""How each part is, right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.errors import CairnError
from app.storage.redis import answers
from app.storage.replicas.replicated import ReplicatedDatabase
from app.wiring.house import House

State = Literal["ok", "degraded", "down"]


REBUILT = "The index lacks items that PostgreSQL holds, and is rebuilt by itself: until then searches answer by words."


@dataclass(frozen=True, slots=True)
class Readiness:
    """What each dependency says right now; of some that aren't ok, why, in a sentence. Only PostgreSQL is essential."""

    states: dict[str, State]
    reasons: dict[str, str]


async def readiness(house: House) -> Readiness:
    """Ask each dependency."""
    states: dict[str, State] = {"database": "ok", "vectors": "ok", "embeddings": "ok"}
    reasons: dict[str, str] = {}
    try:
        await house.database.ping()
    except CairnError:
        states["database"] = "down"
    if isinstance(house.database, ReplicatedDatabase):
        states["replicas"] = "ok" if house.database.well else "degraded"
    try:
        status = await house.vectors.status()
        if status.unfilled or not house.knowledge.index.complete:
            states["vectors"], reasons["vectors"] = "degraded", REBUILT
    except CairnError as error:
        states["vectors"], reasons["vectors"] = "degraded", error.message
    if (why := house.embedder.away) is not None:
        states["embeddings"] = "degraded"
        reasons["embeddings"] = f"{why}. It is tried again by itself: until then searches answer by words, and what is ingested waits."
    if house.redis is not None:
        states["redis"] = "ok" if await answers(house.redis) else "degraded"
    if house.worker is not None:
        states["worker"] = "ok" if house.worker.alive else "degraded"
    return Readiness(states, reasons)
