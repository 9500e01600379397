"""A child process of our own: started with us, restarted when it dies, gone when we go. Knows no command it runs.

The child reads from a pipe that we hold open and never write to: when we end, however hard, it reads the end of the pipe
(`owner_gone`) and leaves. That works on every Unix, unlike a parent-death signal.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()

BACKOFF_FIRST, BACKOFF_MOST = 0.2, 10.0
"""Seconds before a restart: doubled each time, forgotten once the child has lived longer than BACKOFF_MOST."""


class Child:
    """One supervised process. `alive` is for the readiness page."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], grace_seconds: float) -> None:
        self._name = name
        self._command = command
        self._env = {**os.environ, **env}
        self._grace = grace_seconds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive else None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, env=self._env, start_new_session=True
        )
        log.info("child.started", child=self._name, pid=self._process.pid)

    async def ended(self) -> int:
        """Wait until the process that runs now has ended; its status."""
        assert self._process is not None
        return await self._process.wait()

    async def watch(self) -> None:
        """Restart it whenever it ends. The owner cancels this before it stops the child."""
        loop, pause = asyncio.get_running_loop(), BACKOFF_FIRST
        while True:
            assert self._process is not None  # a dead one's status is known at once
            began = loop.time()
            status = await self._process.wait()
            log.warning("child.died", child=self._name, status=status, restart_in=pause)
            await asyncio.sleep(pause)
            pause = BACKOFF_FIRST if loop.time() - began > BACKOFF_MOST else min(pause * 2, BACKOFF_MOST)
            try:
                await self.start()
            except OSError as error:  # no memory, no process: that may pass
                log.warning("child.not_started", child=self._name, reason=error.strerror)

    async def stop(self) -> None:
        """Ask it to go; past the grace period, make it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            log.warning("child.killed", child=self._name, after_seconds=self._grace)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@asynccontextmanager
async def supervised(
    name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, grace_seconds: float = 10
) -> AsyncIterator[Child]:
    """Run a command beside us for the length of the context."""
    child = Child(name, command, env=env or {}, grace_seconds=grace_seconds)
    await child.start()
    watch = asyncio.create_task(child.watch(), name=f"watch {name}")
    try:
        yield child
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await child.stop()


async def owner_gone() -> None:
    """In the child: return when the process that holds our standard input's other end has ended."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
