"""The embedded size's one worker: the same command that a team runs beside its servers, as a child of the server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.part import OK, Condition, Loop, Opened, Part, ReadinessCheck, Role
from app.settings import Settings
from app.storage.child import Child, Heartbeat, supervised
from app.storage.part import StorageServices
from app.supervision import Supervisor

NAME = "worker child"
GRACE_SECONDS = 15
"""Beyond `worker.stop_seconds`: to hand jobs back and to close."""
ALIVE_SECONDS = 5.0


@asynccontextmanager
async def open_worker_child(settings: Settings, role: Role, *, storage: StorageServices) -> AsyncIterator[Opened[Child | None]]:
    """Start the worker, pointed at our PostgreSQL and data folder. None in a worker itself, and beside a team's own workers."""
    if role == "worker" or not settings.embedded:
        yield None, Part(name=NAME)
        return
    env = {"CAIRN_DATABASE__URL": storage.url, "CAIRN_DATA_DIR": str(settings.data_dir), "CAIRN_OWNED": "1"}
    grace = settings.worker.stop_seconds + GRACE_SECONDS
    command = [sys.executable, "-P", "-m", "app.cli", "worker"]
    alive = storage.folder.worker_alive
    async with supervised("worker", command, env=env, grace_seconds=grace, heartbeat=Heartbeat(alive)) as child:

        async def condition() -> Condition:
            if not child.alive:
                return Condition("degraded")
            said = await asyncio.to_thread(_read, alive)
            return Condition("degraded", said) if said else OK

        yield child, Part(name=NAME, ready=[ReadinessCheck("worker", condition)])


def worker_heartbeat(file: Path, supervisor: Supervisor) -> Loop:
    """Return a worker's heartbeat: the age of this file tells a health check that its loop turns, its text which of its loops fail."""

    async def step() -> None:
        await asyncio.to_thread(_write, file, "\n".join(each.describe() for each in supervisor.degraded))

    return Loop(name="worker.heartbeat", step=step, pause=ALIVE_SECONDS, max_backoff_seconds=ALIVE_SECONDS)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    if text or _read(file):
        file.write_text(text)
    file.touch()
