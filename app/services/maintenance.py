"""Runs each part's maintenance in a worker, every ten minutes, one step after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import structlog

from app.errors import Unavailable
from app.part import Loop, Maintenance, Part

log = structlog.get_logger()

MAINTENANCE_SECONDS = 600.0


def maintenance(parts: Sequence[Part]) -> Loop:
    """Return the loop over all parts, also those that come later."""

    async def step() -> None:
        await maintain(parts)

    return Loop(
        name="maintenance",
        step=step,
        pause=MAINTENANCE_SECONDS,
        max_backoff_seconds=MAINTENANCE_SECONDS,
        meanwhile="Some old data was not deleted or not rolled up.",
    )


async def maintain(parts: Sequence[Part]) -> None:
    """Run every step of every part; those that work in batches last, since there may be much. One that fails stops none of the others.

    Unavailable, with their names, where steps failed.
    """
    done, failed = Counter[str](), list[str]()
    for each in sorted((each for part in parts for each in part.maintenance), key=lambda each: each.batched):
        try:
            done[each.name] += await _run(each)
        except Unavailable as error:
            failed.append(f"{each.name} ({error.code})")
            log.warning("maintenance.away", step=each.name, code=error.code)
        except Exception as error:
            failed.append(f"{each.name} ({type(error).__name__})")
            log.exception("maintenance.failed", step=each.name)
    log.info("maintenance.done", **done)
    if failed:
        raise Unavailable(f"Steps that failed: {', '.join(failed)}.", code="maintenance_incomplete")


async def _run(each: Maintenance) -> int:
    """Run one step; in batches until nothing is left, or the next maintenance is due. Returns how much there was."""
    total = await each.step()
    if each.batched and total:
        until = time.monotonic() + MAINTENANCE_SECONDS
        while time.monotonic() < until and (done := await each.step()):
            total += done
    return total
