"""Finds the server that runs on this machine's data folder, or starts one for a command. Needs the server's packages."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import aiohttp

from app.accounts.secrets import ADMIN_FILE
from app.cli.client import ServerClient, connect
from app.cli.exits import Unreachable
from app.cli.output import err, plain
from app.settings import Settings
from app.storage.aside import ensure_file_slot
from app.storage.folder import DataFolder

START_SECONDS, STOP_SECONDS, PROBE_SECONDS = 180, 60, 2
LOG_NAME, LOCK_NAME = "serve.log", "command.lock"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The address that `cairn serve` records in its data folder."""

    url: str
    pid: int


def announce(folder: DataFolder, announcement: Announcement) -> None:
    """Write the announcement atomically (temporary file, then rename)."""
    made = ensure_file_slot(folder.announcement.with_suffix(f".{announcement.pid}"), part="files")
    made.write_text(json.dumps({"url": announcement.url, "pid": announcement.pid}))
    made.replace(ensure_file_slot(folder.announcement, part="files"))


def withdraw(folder: DataFolder, pid: int) -> None:
    found = announced(folder)
    if found is not None and found.pid == pid:
        with suppress(OSError):  # a stale file does no harm: readers check that the port is open
            folder.announcement.unlink(missing_ok=True)


def announced(folder: DataFolder) -> Announcement | None:
    try:
        found = json.loads(folder.announcement.read_text())
        url, pid = str(found["url"]), int(found["pid"])
        return Announcement(url, pid) if pid > 0 and url.startswith("http://") else None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def listens(found: Announcement) -> bool:
    """Tell whether the announced process is ours and holds the port: the file may be stale and the port reused."""
    import psutil

    try:
        process = psutil.Process(found.pid)
        mine = process.uids().real == os.getuid()
        port = urlsplit(found.url).port
        return mine and any(each.laddr.port == port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    except (psutil.Error, ValueError, OverflowError):
        return False


async def answers(url: str, path: str = "/healthz") -> bool:
    """Tell whether a server answers at the URL."""
    timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url + path) as reply:
            return reply.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


@asynccontextmanager
async def open_local(settings: Settings, *, team: str | None = None) -> AsyncIterator[ServerClient]:
    """Yield a client of the data folder's server. Raises Unreachable if there is none and none can be started."""
    folder = DataFolder.open(settings.data_dir)
    found = announced(folder)
    if found is not None and listens(found) and await answers(found.url):
        async with connect(found.url, _key(settings, folder), team=team) as client:
            yield client
        return
    first = not (folder.path / ADMIN_FILE).exists()
    async with _exclusive(folder), run_server(folder) as url, connect(url, _key(settings, folder), team=team) as client:
        if first and (folder.path / ADMIN_FILE).exists():
            err.print(plain(f"An admin key was created, in a file that only you can read: {folder.path / ADMIN_FILE}", "dim"))
        yield client


def set_admin_key(settings: Settings) -> str | None:
    """Return the admin key that the settings name."""
    return settings.admin_key.get_secret_value() if settings.admin_key else None


@asynccontextmanager
async def _exclusive(folder: DataFolder) -> AsyncIterator[None]:
    """Lock the folder, so that one command at a time runs a server of its own; others wait."""
    with ensure_file_slot(folder.path / LOCK_NAME, part="files").open("a") as lock:
        if not _locked(lock):
            with err.status("Waiting for another command, which runs a server on this data folder …"):
                while not _locked(lock):  # noqa: ASYNC110 - another process holds it
                    await asyncio.sleep(0.1)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@asynccontextmanager
async def run_server(folder: DataFolder, *, env: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run `cairn serve` as a child for the length of the context; yield its URL once ready."""
    log = ensure_file_slot(folder.path / LOG_NAME, part="files")
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", "0",
            # Our end of its standard input closes however we end, and the child then stops. It has a session of its own, so that
            # Ctrl-C reaches only us and we stop it in order.
            stdin=PIPE, stdout=DEVNULL, stderr=sink, start_new_session=True,
            env={**(os.environ if env is None else env), "CAIRN_DATA_DIR": str(folder.path), "CAIRN_OWNED": "1"},
        )  # fmt: skip
    try:
        with err.status("Starting Cairn (the first start prepares the embedding model: up to half a minute) …"):
            url = await _ready(folder, process, log)
        yield url
    finally:
        await asyncio.shield(_stopped(process))


async def _ready(folder: DataFolder, process: Process, log: Path) -> str:
    """Return the URL once `/readyz` succeeds. Raises Unreachable, quoting the server's log, if it ends or takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                found = announced(folder)
                if found is not None and found.pid == process.pid and await answers(found.url, "/readyz"):
                    return found.url
                await asyncio.sleep(0.05)
    raise Unreachable(f"The server could not be started: {_last_message(log)} (full log: {log})")


async def _stopped(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


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
