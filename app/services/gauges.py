"""Sets every gauge that is set when somebody looks: each part its own, and those that all caches and checks have alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from app.errors import Unavailable
from app.part import Part
from app.services.composition import caches_of
from app.services.readiness import readiness
from app.telemetry import metrics


async def set_gauges(parts: Sequence[Part]) -> None:
    """Set all. A part that is away leaves its gauges as they were; `cairn_up` says so."""
    await asyncio.gather(*map(_set, parts))
    metrics.set_dependencies((await readiness(parts)).states)
    for cache in caches_of(parts).values():
        metrics.set_cache(cache.name, cache.figures())


async def _set(part: Part) -> None:
    """Set one part's, one after the other, over one connection at a time."""
    with suppress(Unavailable):
        for each in part.gauges:
            await each()
