"""A supervised child: started with us, restarted when it dies, gone when we go, however hard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from app.storage.child import Child, Heartbeat, supervised
from tests.waiting import patience

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


async def until_alive(child: Child, *, not_pid: int) -> int:
    async with patience():
        while child.pid in {None, not_pid}:
            await asyncio.sleep(0.02)
    assert child.pid is not None
    return child.pid


async def test_a_child_that_dies_is_started_again_and_ends_with_the_context() -> None:
    async with supervised("test", FOREVER) as child:
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        second = await until_alive(child, not_pid=first)
    assert not psutil.pid_exists(second)
    assert not child.alive


async def test_a_child_that_will_not_go_is_made_to() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    async with supervised("test", [sys.executable, "-c", stubborn], grace_seconds=0.5) as child:
        await asyncio.sleep(0.3)  # time for it to set its handler
        pid = child.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_a_child_that_falls_silent_writes_its_stacks_and_is_started_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Frozen as one whose thread holds Python's lock: no signal handler of Python's own can run."""
    freezes = textwrap.dedent(
        """
        import pathlib, re, sys, threading, time
        from app.telemetry import stacks
        stacks.write_on_signal()
        pathlib.Path(sys.argv[1]).touch()
        def hold_the_lock():
            re.match(r"(a+)+$", "a" * 60 + "b")
        hold_the_lock()
        """
    )
    alive = tmp_path / "alive"
    heartbeat = Heartbeat(alive, silent_seconds=1, check_seconds=0.1)
    async with supervised("test", [sys.executable, "-c", freezes, str(alive)], heartbeat=heartbeat) as child:
        first = child.pid
        assert first is not None
        second = await until_alive(child, not_pid=first)
        assert not psutil.pid_exists(first)
        assert second != first
    assert "in hold_the_lock" in capfd.readouterr().err


async def test_a_child_that_takes_long_to_start_is_not_taken_for_silent(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path / "alive", silent_seconds=0.2, check_seconds=0.05)
    async with supervised("test", FOREVER, heartbeat=heartbeat) as child:
        first = child.pid
        await asyncio.sleep(1)
        assert child.pid == first


async def test_a_disk_that_takes_no_times_is_no_proof_of_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = tmp_path / "alive"
    asked = asyncio.Event()

    def refused(self: Path) -> None:
        asked.set()
        raise OSError(30, "Read-only file system")

    async with supervised("test", FOREVER, heartbeat=Heartbeat(alive, silent_seconds=0.1, check_seconds=0.05)) as child:
        first = child.pid
        alive.touch()
        monkeypatch.setattr(Path, "touch", refused)
        async with patience():
            await asked.wait()
        await asyncio.sleep(0.2)
        assert child.pid == first


async def test_a_child_leaves_when_its_owner_was_killed(tmp_path: Path) -> None:
    """The owner of the child is a process of its own here, killed with SIGKILL."""
    leaver = "import asyncio; from app.storage.child import owner_ended; asyncio.run(owner_ended())"
    owner = textwrap.dedent(
        f"""
        import asyncio, sys
        from app.storage.child import supervised
        async def main():
            async with supervised("leaver", [sys.executable, "-c", {leaver!r}]) as child:
                print(child.pid, flush=True)
                await asyncio.Event().wait()
        asyncio.run(main())
        """
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", owner, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid = None
    async with patience():
        while pid is None:  # its log lines come first
            line = (await process.stdout.readline()).strip()
            pid = int(line) if line.isdigit() else None
    process.kill()
    await process.wait()
    async with patience():
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)
