"""A real streaming replica of an embedded PostgreSQL, by the wheel's own programs: it can lag, hang, die, come back, and be promoted."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from app.storage import postgres

WAIT_SECONDS = 60


class StandbyServer:
    """`url`: of the database that the primary's URL names."""

    def __init__(self, folder: Path, primary_url: str) -> None:
        folder.mkdir(mode=0o700)
        self._account = postgres.SYSTEM_USER if os.geteuid() == 0 else None
        sockets = folder / "run"
        sockets.mkdir(mode=0o700)
        if self._account is not None:
            shutil.chown(folder, self._account)
            shutil.chown(sockets, self._account)
        self._primary_sockets = primary_url.partition("host=")[2]
        self._cluster = postgres._Cluster(folder / "data", sockets, postgres._binaries(), self._account)
        self.url = primary_url.replace(self._primary_sockets, str(sockets))

    def make(self) -> None:
        """Copy the primary, and begin to follow it."""
        data = self._cluster.folder
        self._cluster.run(
            "pg_basebackup", "--host", self._primary_sockets, "--username", "postgres", "--pgdata", str(data),
            "--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", timeout=WAIT_SECONDS,
        )  # fmt: skip
        with (data / "cairn.conf").open("a") as conf:
            conf.write(f"unix_socket_directories = '{self._cluster.sockets}'\nwal_retrieve_retry_interval = '200ms'\n")
        self.start()

    def start(self) -> None:
        data = self._cluster.folder
        (data / "postmaster.pid").unlink(missing_ok=True)  # one that was killed left it
        self._cluster.run("pg_ctl", "start", "-w", "-D", str(data), "-l", str(data / "log"), timeout=WAIT_SECONDS)

    def promote(self) -> None:
        self._cluster.run("pg_ctl", "promote", "-w", "-D", str(self._cluster.folder), timeout=WAIT_SECONDS)

    def kill(self) -> None:
        """kill -9, and wait until all of it is gone: its shared memory too."""
        gone = self.signal(signal.SIGKILL)
        psutil.wait_procs(gone, timeout=WAIT_SECONDS)

    def stop(self) -> None:
        if (self._cluster.folder / "postmaster.pid").exists():
            self._cluster.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._cluster.folder), timeout=WAIT_SECONDS)

    def signal(self, how: signal.Signals) -> list[psutil.Process]:
        """To all of its processes at once: SIGSTOP is a machine that went away without a word."""
        pid = postgres._postmaster(self._cluster.folder)
        assert pid is not None
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for each in family:
            each.send_signal(how)
        return family

    async def ask(self, sql: str) -> Any:
        """The first column of the first row."""
        return await ask(self.url, sql)

    async def pause(self) -> None:
        """From here on it shows what it has, and replays nothing. It goes on receiving."""
        await self.ask("select pg_wal_replay_pause()")
        while await self.ask("select pg_get_wal_replay_pause_state()") != "paused":
            pass

    async def resume(self) -> None:
        await self.ask("select pg_wal_replay_resume()")


async def ask(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def caught_up(primary_url: str, *standbys: StandbyServer) -> None:
    """Wait until all have replayed what is committed by now."""
    position = await ask(primary_url, "select pg_current_wal_flush_lsn()")
    for each in standbys:
        while await each.ask(f"select pg_last_wal_replay_lsn() < '{position >> 32:X}/{position & 0xFFFFFFFF:X}'"):
            pass
