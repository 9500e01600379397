"""A worker's life: the jobs of all rooms, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

from app.errors import ConfigurationError
from app.queue.worker import Worker
from app.services.composition import jobs_of
from app.services.opening import open_services
from app.settings import Settings
from app.storage.allocator import return_freed_memory
from app.storage.child import owner_ended
from app.storage.priority import lower_priority
from app.supervision import background_task

log = structlog.get_logger()


async def run_worker(settings: Settings) -> None:
    """Run jobs, beside the loops that the rooms have in a worker; until SIGTERM, Ctrl-C, or its owner's end."""
    if settings.embedded:
        raise ConfigurationError(
            "An embedded Cairn starts its own worker with `cairn serve`. To run workers beside a team's servers, set CAIRN_DATABASE__URL."
        )
    return_freed_memory()
    if os.environ.get("CAIRN_OWNED") == "1":
        lower_priority(settings.worker.nice)
    async with open_services(settings, role="worker") as services:
        worker = Worker(services.queue, jobs_of(services.parts), settings.worker)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, worker.stop)
        async with background_task(_stop_with_owner(worker), name="owner"):
            await worker.run()


async def _stop_with_owner(worker: Worker) -> None:
    """An embedded worker has no life beyond the server that started it."""
    if os.environ.get("CAIRN_OWNED") == "1":
        await owner_ended()
        log.info("worker.owner_gone")
        worker.stop()
