"""A worker's life: jobs, the feed of the index, maintenance."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from app import clock
from app.alerts import ageing
from app.cache.shared import sweep as sweep_cache
from app.errors import ConfigurationError, Unavailable
from app.knowledge import freshness
from app.queue.worker import Worker
from app.services.opening import open_services
from app.services.services import Services
from app.sessions.backfill import BACKFILL
from app.sessions.intake import INGEST
from app.sessions.journal import CATCH_UP
from app.settings import Settings
from app.storage.allocator import return_freed_memory
from app.storage.child import owner_gone
from app.storage.folder import DataFolder
from app.storage.priority import lower_priority

log = structlog.get_logger()

MAINTENANCE_SECONDS = 600
TAILS_SECONDS = 86_400
"""Once nothing is left: only a worker of an older version makes more, and to look takes reading all evidence."""
ALIVE_SECONDS = 5


async def run_worker(settings: Settings) -> None:
    """The worker's life: jobs, the index's feed, maintenance; until SIGTERM, Ctrl-C, or its owner's end."""
    if settings.embedded:
        raise ConfigurationError(
            "An embedded Cairn starts its own worker with `cairn serve`. To run workers beside a team's servers, set CAIRN_DATABASE__URL."
        )
    return_freed_memory()
    if os.environ.get("CAIRN_OWNED") == "1":
        lower_priority(settings.worker.nice)
    async with open_services(settings, role="worker") as services:
        sessions = services.sessions
        handlers = {INGEST: sessions.intake.ingest, CATCH_UP: sessions.catch_up.job, BACKFILL: sessions.backfill.job}
        worker = Worker(services.queue, handlers, settings.worker)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, worker.stop)
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(services.knowledge.index.feed(poll_seconds=settings.worker.poll_seconds), name="feed"),
                tasks.create_task(sessions.backfill.watch(), name="backfill"),
                tasks.create_task(_maintain(services), name="maintain"),
                tasks.create_task(_leave_with_owner(worker), name="owner"),
                tasks.create_task(_stay_seen(services.folder), name="alive"),
            ]
            await worker.run()
            for task in background:
                task.cancel()


async def _maintain(services: Services) -> None:
    """Ageing, and what has had its time: every ten minutes."""
    tails_due = 0.0
    while True:
        try:
            aged = await _drained(partial(_age, services))
            swept = await services.knowledge.index.sweep()
            uploads = await services.uploads.sweep(services.settings.sessions.upload_ttl_hours)
            purges = await services.journal.sweep(2 * services.settings.sessions.upload_ttl_hours)
            jobs = await services.queue.sweep()
            cached = await sweep_cache(services.database)
            notices = await services.outbox.sweep()
            spans = await ageing.age(services.database, clock.now())
            gone = {"outbox": swept, "uploads": uploads, "purges": purges, "jobs": jobs, "cached": cached, "notices": notices}
            with suppress(Unavailable):  # it may need Redis, which nothing else here does
                await services.messages.sweep()
            looked_at = 0
            if time.monotonic() >= tails_due:  # last: of an older version's items there may be many; and then never again
                tails = services.knowledge.tails
                looked_at = await _drained(tails.pass_short) + await _drained(tails.fill)
                tails_due = time.monotonic() + (0 if looked_at else TAILS_SECONDS)
            log.info("maintenance.done", aged=aged, tails=looked_at, spans=spans, **gone)
        except Unavailable as error:
            log.warning("maintenance.away", code=error.code)
        except Exception:
            log.exception("maintenance.failed")
        await asyncio.sleep(MAINTENANCE_SECONDS)


async def _drained(step: Callable[[], Awaitable[int]]) -> int:
    """Batch after batch until nothing is left, or the other parts are due again. Returns how many there were."""
    total, until = 0, time.monotonic() + MAINTENANCE_SECONDS
    while time.monotonic() < until and (done := await step()):
        total += done
    return total


async def _age(services: Services) -> int:
    async with services.database.begin() as connection:
        return await freshness.refresh(connection, clock.now())


async def _stay_seen(folder: DataFolder) -> None:
    """A worker answers no requests: the age of this file tells a health check that its loop turns."""
    while True:
        with suppress(OSError):  # a full disk is no reason to end
            await asyncio.to_thread(folder.worker_alive.touch)
        await asyncio.sleep(ALIVE_SECONDS)


async def _leave_with_owner(worker: Worker) -> None:
    """An embedded worker has no life beyond the server that started it."""
    if os.environ.get("CAIRN_OWNED") == "1":
        await owner_gone()
        log.info("worker.owner_gone")
        worker.stop()
