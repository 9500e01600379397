"""Supervises a child process: starts it, restarts it when it dies, stops it when its owner exits. Knows no command it runs.

The child's standard input is a pipe that the owner never writes to: when the owner ends, even by SIGKILL, the child reads EOF
(`owner_ended`) and exits. Unlike a parent-death signal this works on every Unix.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

BACKOFF_FIRST, BACKOFF_MAX = 0.2, 10.0
"""Seconds before a restart: doubled each time, reset once the child has lived longer than BACKOFF_MAX."""
STACKS_SECONDS = 2.0
"""Time given to a hung child to write its threads' stacks."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A liveness file that the child touches from its event loop. On SIGUSR1 the child writes its stacks (`telemetry.stacks`)."""

    file: Path
    silent_seconds: float = 120.0
    check_seconds: float = 5.0


class Child:
    """One supervised process. With a `heartbeat`, a child that stops touching its file is killed."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], grace_seconds: float, heartbeat: Heartbeat | None = None
    ) -> None:
        self._name = name
        self._command = command
        self._env = {**os.environ, **env}
        self._grace = grace_seconds
        self._heartbeat = heartbeat
        self._process: asyncio.subprocess.Process | None = None
        self._touched_before: int | None = None
        """Modification time of the heartbeat file before this process started."""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive else None

    async def start(self) -> None:
        self._touched_before = None if self._heartbeat is None else _modified_ns(self._heartbeat.file)
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, env=self._env, start_new_session=True
        )
        log.info("child.started", child=self._name, pid=self._process.pid)

    async def ended(self) -> int:
        """Wait for the current process to end; return its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def watch(self) -> None:
        """Restart the process whenever it ends. The owner cancels this before stopping the child."""
        loop, pause = asyncio.get_running_loop(), BACKOFF_FIRST
        while True:
            assert self._process is not None  # waiting for one that has ended returns at once
            began = loop.time()
            status = await self._ended_or_silent(self._process)
            log.warning("child.died", child=self._name, status=status, restart_in=pause)
            await asyncio.sleep(pause)
            pause = BACKOFF_FIRST if loop.time() - began > BACKOFF_MAX else min(pause * 2, BACKOFF_MAX)
            try:
                await self.start()
            except OSError as error:  # out of memory or processes: may be temporary
                log.warning("child.not_started", child=self._name, reason=error.strerror)

    async def _ended_or_silent(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the process to end. If it hangs, make it write its stacks, then kill it."""
        if self._heartbeat is None:
            return await process.wait()
        ended, silent = asyncio.create_task(process.wait()), asyncio.create_task(_silence(self._heartbeat, self._touched_before))
        try:
            await asyncio.wait([ended, silent], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                silent.result()
                log.error("child.silent", child=self._name, pid=process.pid, for_seconds=self._heartbeat.silent_seconds)
                for sent, seconds in ((signal.SIGUSR1, STACKS_SECONDS), (signal.SIGKILL, None)):
                    with suppress(ProcessLookupError):
                        process.send_signal(sent)
                    await asyncio.wait([ended], timeout=seconds)
            return ended.result()
        finally:
            for task in (ended, silent):
                task.cancel()

    async def stop(self) -> None:
        """Terminate the process; kill it after the grace period."""
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
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    grace_seconds: float = 10,
    heartbeat: Heartbeat | None = None,
) -> AsyncIterator[Child]:
    """Run a supervised command for the length of the context."""
    child = Child(name, command, env=env or {}, grace_seconds=grace_seconds, heartbeat=heartbeat)
    await child.start()
    watch = asyncio.create_task(child.watch(), name=f"watch {name}")
    try:
        yield child
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await child.stop()


async def _silence(heartbeat: Heartbeat, seen: int | None) -> None:
    """Return once the file, having been touched after `seen`, stays untouched for `silent_seconds`; startup may take longer.

    Uses the monotonic clock, so a suspended machine is not taken for a hung child. If the disk rejects a touch, nothing is concluded.
    """
    loop = asyncio.get_running_loop()
    since, begun = loop.time(), False
    while True:
        await asyncio.sleep(heartbeat.check_seconds)
        if (found := _modified_ns(heartbeat.file)) != seen:
            seen, since, begun = found, loop.time(), True
        elif begun and loop.time() - since > heartbeat.silent_seconds:
            try:
                heartbeat.file.touch()
            except OSError:
                since = loop.time()
            else:
                return


def _modified_ns(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


async def owner_ended() -> None:
    """Wait, in the child, until the process at the other end of standard input has ended."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
