"""A child process of our own: started with us, restarted when it dies, gone when we go. Knows no command it runs.

The child reads from a pipe that we hold open and never write to: when we end, however hard, it reads the end of the pipe
(`owner_gone`) and leaves. That works on every Unix, unlike a parent-death signal.
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

BACKOFF_FIRST, BACKOFF_MOST = 0.2, 10.0
"""Seconds before a restart: doubled each time, forgotten once the child has lived longer than BACKOFF_MOST."""
STACKS_SECONDS = 2.0
"""A child that is silent has this long to write where its threads stand."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """A file that the child touches while its event loop turns. On SIGUSR1 the child writes its stacks (`telemetry.stacks`)."""

    file: Path
    silent_seconds: float = 120.0
    looked_at_seconds: float = 5.0


class Child:
    """One supervised process. `alive` is for the readiness page. With a `pulse`, one that has fallen silent is killed."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], grace_seconds: float, pulse: Pulse | None = None
    ) -> None:
        self._name = name
        self._command = command
        self._env = {**os.environ, **env}
        self._grace = grace_seconds
        self._pulse = pulse
        self._process: asyncio.subprocess.Process | None = None
        self._touched_before: int | None = None
        """When its file was last touched before it began."""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive else None

    async def start(self) -> None:
        self._touched_before = None if self._pulse is None else _touched_at(self._pulse.file)
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
            status = await self._ended_or_silent(self._process)
            log.warning("child.died", child=self._name, status=status, restart_in=pause)
            await asyncio.sleep(pause)
            pause = BACKOFF_FIRST if loop.time() - began > BACKOFF_MOST else min(pause * 2, BACKOFF_MOST)
            try:
                await self.start()
            except OSError as error:  # no memory, no process: that may pass
                log.warning("child.not_started", child=self._name, reason=error.strerror)

    async def _ended_or_silent(self, process: asyncio.subprocess.Process) -> int:
        """Wait for its end. One that falls silent writes its stacks and is killed: a frozen process would never end."""
        if self._pulse is None:
            return await process.wait()
        ended, silent = asyncio.create_task(process.wait()), asyncio.create_task(_silence(self._pulse, self._touched_before))
        try:
            await asyncio.wait([ended, silent], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                silent.result()
                log.error("child.silent", child=self._name, pid=process.pid, for_seconds=self._pulse.silent_seconds)
                for sent, seconds in ((signal.SIGUSR1, STACKS_SECONDS), (signal.SIGKILL, None)):
                    with suppress(ProcessLookupError):
                        process.send_signal(sent)
                    await asyncio.wait([ended], timeout=seconds)
            return ended.result()
        finally:
            for task in (ended, silent):
                task.cancel()

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
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    grace_seconds: float = 10,
    pulse: Pulse | None = None,
) -> AsyncIterator[Child]:
    """Run a command beside us for the length of the context."""
    child = Child(name, command, env=env or {}, grace_seconds=grace_seconds, pulse=pulse)
    await child.start()
    watch = asyncio.create_task(child.watch(), name=f"watch {name}")
    try:
        yield child
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await child.stop()


async def _silence(pulse: Pulse, seen: int | None) -> None:
    """Return when the file was touched after `seen`, and then no more for `silent_seconds`: a start may take longer than that.

    Measured by our own clock: after a machine's sleep nobody is taken for silent. A disk that takes no times proves nothing.
    """
    loop = asyncio.get_running_loop()
    since, begun = loop.time(), False
    while True:
        await asyncio.sleep(pulse.looked_at_seconds)
        if (found := _touched_at(pulse.file)) != seen:
            seen, since, begun = found, loop.time(), True
        elif begun and loop.time() - since > pulse.silent_seconds:
            try:
                pulse.file.touch()
            except OSError:
                since = loop.time()
            else:
                return


def _touched_at(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


async def owner_gone() -> None:
    """In the child: return when the process that holds our standard input's other end has ended."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
