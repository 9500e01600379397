"""A child process that copies knowledge from PostgreSQL into an index under construction, off the server's event loop.

The server starts `python -m app.knowledge.reindexer PLACE [SINCE]` at low priority; it prints its progress to standard output.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from subprocess import PIPE

from app import settings as config
from app.errors import VectorStoreUnavailable
from app.knowledge.index import Progress, catch_up, copy_all
from app.knowledge.points import SCHEMA
from app.redaction.labels import free_text
from app.storage.child import owner_ended
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.storage.priority import lower_priority
from app.storage.vectors import open_store
from app.telemetry import logs

NICENESS = 15
"""The nice value: queries and model calls go first."""
AT_ONCE = 1


class Reindexer:
    """Runs the child process. `env`: the variables by which it finds this Cairn's PostgreSQL and data folder."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {**os.environ, **env}

    async def __call__(self, place: str, since: datetime | None, progress: Progress) -> int:
        """Copy everything, or what changed since `since`. Returns the number of points. VectorStoreUnavailable when the process fails.

        The child exits when this process ends, however it ends: it watches the standard input that it got from here.
        """
        command = [sys.executable, "-P", "-m", "app.knowledge.reindexer", place, *([] if since is None else [since.isoformat()])]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=self._env, start_new_session=True)
        assert process.stdout is not None
        done = 0
        try:
            async for line in process.stdout:
                words = line.split()
                if len(words) == 2 and all(word.isdigit() for word in words):  # ignore what a library may print
                    done, total = map(int, words)
                    progress(done, total)
            if status := await process.wait():
                raise VectorStoreUnavailable(
                    f"The process that fills the new vector index exited with {status}; the old index stays. The server's log has its "
                    "error. Try again; if it happens again, ask an admin."
                )
            return done
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _run(place: str, since: datetime | None) -> None:
    work, owner = asyncio.create_task(_copy(place, since)), asyncio.create_task(owner_ended())
    await asyncio.wait([work, owner], return_when=asyncio.FIRST_COMPLETED)
    for task in (work, owner):
        task.cancel()
    await asyncio.gather(work, return_exceptions=True)
    if not work.cancelled():
        work.result()


async def _copy(place: str, since: datetime | None) -> None:
    settings = config.load()
    logs.configure(settings.log, clean=free_text)
    assert settings.database.url is not None  # set by the server, also for an embedded PostgreSQL
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database, settings.database.url.get_secret_value(), name="cairn copier", pool_size=AT_ONCE, max_overflow=0
        )
        stack.push_async_callback(database.close)
        folder = DataFolder.open(settings.data_dir).vectors
        vectors = await stack.enter_async_context(open_store(settings, SCHEMA, folder=folder, owner=False))
        target = await stack.enter_async_context(vectors.beside(place))
        if since is None:
            await copy_all(database, target, _print_progress)
            return
        async with database.begin() as connection:
            done = await catch_up(connection, target, since)
        _print_progress(done, done)


def _print_progress(done: int, total: int) -> None:
    sys.stdout.write(f"{done} {total}\n")
    sys.stdout.flush()


def main() -> None:
    lower_priority(NICENESS)
    place, *since = sys.argv[1:]
    asyncio.run(_run(place, datetime.fromisoformat(since[0]) if since else None))


if __name__ == "__main__":
    main()
