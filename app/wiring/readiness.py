"""How each part is, right now."""

from __future__ import annotations

from typing import Literal

from app.errors import CairnError
from app.storage.redis import answers
from app.storage.replicas.replicated import ReplicatedDatabase
from app.wiring.house import House

State = Literal["ok", "degraded", "down"]


async def readiness(house: House) -> dict[str, State]:
    """What each dependency says right now. Only PostgreSQL is essential."""
    states: dict[str, State] = {"database": "ok", "vectors": "ok"}
    try:
        await house.database.ping()
    except CairnError:
        states["database"] = "down"
    if isinstance(house.database, ReplicatedDatabase):
        states["replicas"] = "ok" if house.database.well else "degraded"
    try:
        await house.vectors.status()
        if not house.knowledge.index.complete:
            states["vectors"] = "degraded"
    except CairnError:
        states["vectors"] = "degraded"
    if house.redis is not None:
        states["redis"] = "ok" if await answers(house.redis) else "degraded"
    if house.worker is not None:
        states["worker"] = "ok" if house.worker.alive else "degraded"
    return states
