"""Finds the server that runs on this machine's data folder, or starts one for commands. Needs the server's packages.

A started server stays warm: it is detached, serves the next commands too, and ends by itself when it was idle for some minutes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from app.accounts.secrets import ADMIN_FILE
from app.cli.announcement import Announcement, announced, in_use, reason_to_restart, try_lock
from app.cli.client import ServerClient, connect
from app.cli.exits import Unreachable
from app.cli.output import err, plain
from app.cli.progress import working
from app.errors import CairnError
from app.settings import Settings
from app.storage.aside import ensure_file_slot
from app.storage.folder import DataFolder

START_SECONDS, STOP_SECONDS, PROBE_SECONDS, POLL_SECONDS = 180, 60, 2, 0.05
CLOCK_SECONDS = 5.0
"""Seconds by which a process's start may seem later than it was, as the clock is set."""
LOG_NAME, LOCK_NAME = "serve.log", "command.lock"
STARTING = "Starting Cairn (the first start prepares the embedding model: up to half a minute)"


def announce(folder: DataFolder, announcement: Announcement) -> None:
    """Write the announcement atomically (temporary file, then rename), readable by the user alone."""
    made = ensure_file_slot(folder.announcement.with_suffix(f".{announcement.pid}"), part="files")
    made.touch(mode=0o600)
    made.write_text(announcement.to_json())
    made.replace(ensure_file_slot(folder.announcement, part="files"))


def withdraw(folder: DataFolder, pid: int) -> None:
    found = announced(folder.path)
    if found is not None and found.pid == pid:
        with suppress(OSError):  # a stale file does no harm: readers check that the port is open
            folder.announcement.unlink(missing_ok=True)


def listens(found: Announcement) -> bool:
    """Tell whether the announced process is ours and holds the port: the file may be stale and the port reused."""
    try:
        process = psutil.Process(found.pid)
        mine = process.uids().real == os.getuid()
        return mine and any(each.laddr.port == found.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    except (psutil.Error, ValueError, OverflowError):
        return False


def announcer(folder: DataFolder, found: Announcement) -> psutil.Process | None:
    """Return the process that wrote an announcement; None if it has ended: its number may be another's by now, in a container our own."""
    if found.pid == os.getpid():
        return None
    try:
        process = psutil.Process(found.pid)
        ours = process.uids().real == os.getuid() and "serve" in process.cmdline()
        older = process.create_time() <= folder.announcement.stat().st_mtime + CLOCK_SECONDS
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None
    return process if ours and older and _runs(process) else None


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


async def answers(url: str, path: str = "/healthz") -> bool:
    """Tell whether a server answers at the URL."""
    try:
        async with asyncio.timeout(PROBE_SECONDS), connect(url, None) as client:
            await client.get(path)
    except (CairnError, TimeoutError, ValueError):
        return False
    return True


async def running_server(folder: DataFolder) -> Announcement | None:
    """Return the folder's running server. Waits for one that is ending; raises Unreachable where it doesn't end."""
    found = announced(folder.path)
    if found is None:
        return None
    if listens(found) and await answers(found.url):
        return found
    await _wait_for_end(folder, found)
    return None


async def _wait_for_end(folder: DataFolder, found: Announcement) -> None:
    process = announcer(folder, found)
    if process is not None:
        with working(f"Waiting for the server that is ending (process {found.pid})"):
            await _ended(process)


async def end_server(folder: DataFolder, found: Announcement) -> None:
    """End a server in order, and wait for its end. Raises Unreachable where it goes on nevertheless."""
    process = announcer(folder, found)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        await _ended(process)


async def _ended(process: psutil.Process) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            while _runs(process):  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_SECONDS)
            return
    pid = process.pid
    raise Unreachable(f"The server (process {pid}) is ending, but hasn't ended within {STOP_SECONDS} s. End it: kill -9 {pid}")


@asynccontextmanager
async def open_local(settings: Settings, *, team: str | None = None) -> AsyncIterator[ServerClient]:
    """Yield a client of the data folder's server. Raises Unreachable if there is none and none can be started."""
    folder = DataFolder.open(settings.data_dir)
    first = not (folder.path / ADMIN_FILE).exists()
    async with _local_url(folder, settings.cli.warm_minutes) as url, connect(url, _key(settings, folder), team=team) as client:
        if first and (folder.path / ADMIN_FILE).exists():
            err.print(plain(f"An admin key was created. It is in a file that only you can read: {folder.path / ADMIN_FILE}", "dim"))
        yield client


@asynccontextmanager
async def _local_url(folder: DataFolder, warm_minutes: float) -> AsyncIterator[str]:
    """Yield the URL of the folder's server, which isn't ended for other commands' sake meanwhile; start one if there is none."""
    with ExitStack() as use:
        if use.enter_context(in_use(folder.path)):
            found = await running_server(folder)
            if found is not None and reason_to_restart(found) is None:
                yield found.url
                return
    with ExitStack() as held:
        lock = held.enter_context(await only_starter(folder))
        found = await fitting_server(folder, held)
        if found is not None and (why := reason_to_restart(found)) is not None:
            err.print(plain(f"The background server is in use, and keeps running although {why}. To stop it: cairn stop"))
        if found is None and not warm_minutes:
            async with run_server(folder) as url:
                yield url
            return
        if found is None:
            held.enter_context(in_use(folder.path))
        url = found.url if found is not None else await _start_warm(folder, warm_minutes)
        lock.close()  # others may use it from here on
        yield url


async def fitting_server(folder: DataFolder, held: ExitStack) -> Announcement | None:
    """Return the running server, which isn't ended while `held` is open; None: there is none, or none any more. Under `only_starter`.

    One that an earlier command started otherwise than this one would is ended, and returned only where another command uses it.
    """
    found = await running_server(folder)
    if found is None:
        return None
    why = reason_to_restart(found)
    if why is not None and (lock := try_lock(folder.path)) is not None:
        try:
            with working(f"Restarting the background server: {why}"):
                await end_server(folder, found)
        finally:
            os.close(lock)
        return None
    if held.enter_context(in_use(folder.path)):
        return found
    await _wait_for_end(folder, found)  # it was idle, and still answers for a moment
    return None


def set_admin_key(settings: Settings) -> str | None:
    """Return the admin key that the settings name."""
    return settings.admin_key.get_secret_value() if settings.admin_key else None


async def only_starter(folder: DataFolder) -> IO[str]:
    """Lock the folder, so that one process at a time starts a server on it; others wait. Closing the returned file unlocks it."""
    lock = ensure_file_slot(folder.path / LOCK_NAME, part="files").open("a")
    try:
        if not _locked(lock):
            with working("Waiting for another command, which starts a server on this data folder"):
                while not _locked(lock):  # noqa: ASYNC110 - another process holds it
                    await asyncio.sleep(POLL_SECONDS)
    except BaseException:
        lock.close()
        raise
    return lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


async def _start_warm(folder: DataFolder, minutes: float) -> str:
    """Start a server that outlives this command; return its URL once ready. Interrupted, nothing stays."""
    process, log = _spawn(folder, ("--warm", f"{minutes:g}"), stdin=subprocess.DEVNULL, env=os.environ)
    try:
        with working(STARTING):
            return await _ready(folder, process, log)
    except BaseException:
        await asyncio.shield(_stopped(process))
        raise


@asynccontextmanager
async def run_server(folder: DataFolder, *, env: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run `cairn serve` as a child for the length of the context; yield its URL once ready."""
    # Our end of its standard input closes however we end, and the child then stops.
    given = os.environ if env is None else env
    process, log = _spawn(folder, (), stdin=subprocess.PIPE, env={**given, "CAIRN_OWNED": "1"})
    try:
        with working(STARTING):
            url = await _ready(folder, process, log)
        yield url
    finally:
        await asyncio.shield(_stopped(process))


def _spawn(folder: DataFolder, options: tuple[str, ...], *, stdin: int, env: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
    """Start `cairn serve` on the folder, in a session of its own: Ctrl-C reaches only us. Returns it, and where it logs."""
    log = ensure_file_slot(folder.path / LOG_NAME, part="files")
    command = [sys.executable, "-P", "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", "0", *options]
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own command; not asyncio's, which kills it when the loop is closed
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=sink, start_new_session=True,
            env={**env, "CAIRN_DATA_DIR": str(folder.path)},
        )  # fmt: skip
    return process, log


async def _ready(folder: DataFolder, process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the URL once `/readyz` succeeds. Raises Unreachable, quoting the server's log, if it ends or takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.poll() is None:
                found = announced(folder.path)
                if found is not None and found.pid == process.pid and await answers(found.url, "/readyz"):
                    return found.url
                await asyncio.sleep(POLL_SECONDS)
    raise Unreachable(f"The server could not be started: {_last_message(log)} (full log: {log})")


async def _stopped(process: subprocess.Popen[bytes]) -> None:
    """End a server in order; kill it where that takes too long."""
    if process.poll() is None:
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while process.poll() is None:  # noqa: ASYNC110 - a process
                    await asyncio.sleep(POLL_SECONDS)
        if process.poll() is None:
            process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _last_message(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = [line.removeprefix("cairn: ") for line in lines if line.startswith("cairn: ")]
    return (said or lines or ["its log is empty"])[-1][:600]


def _key(settings: Settings, folder: DataFolder) -> str | None:
    """Return CAIRN_KEY or, on the server's own machine, the admin key."""
    if key := os.environ.get("CAIRN_KEY") or set_admin_key(settings):
        return key
    with suppress(OSError):
        return (folder.path / ADMIN_FILE).read_text().strip()
    return None
