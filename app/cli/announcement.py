"""The file in which a running server tells commands its address, its version and what it was started with.

Standard library only: every command reads it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from app import __version__

FILE_NAME = "server.json"
USE_LOCK = "in-use.lock"
OF_THE_COMMAND = frozenset({"CAIRN_URL", "CAIRN_KEY", "CAIRN_DATA_DIR", "CAIRN_OWNED", "CAIRN_PRIVATE", "CAIRN_EVAL_DATA"})
"""Variables that change nothing in a server: a command's own, and the folder in which the announcement was found."""
OWN_SECTION = "CAIRN_CLI__"
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class StartState:
    """The variables and files that a server read at its start, as digests: `salt` keeps short values from being guessed.

    `variables`: None where it wasn't set. `files`: by path, the time of change and the size.
    """

    salt: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Announcement:
    """The address that `cairn serve` records in its data folder. `warm_minutes`: a command started it, and so many idle ones end it."""

    url: str
    pid: int
    version: str = __version__
    warm_minutes: float | None = None
    state: StartState = StartState()

    @property
    def port(self) -> int | None:
        try:
            return urlsplit(self.url).port
        except ValueError:
            return None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def announced(folder: Path) -> Announcement | None:
    """Read the announcement of a data folder; None for nonsense, or where there is none."""
    try:
        found = json.loads((folder / FILE_NAME).read_bytes())
        url, pid = str(found["url"]), int(found["pid"])
        warm, state = found.get("warm_minutes"), found.get("state", {})
        read = StartState(str(state.get("salt", "")), dict(state.get("variables", {})), dict(state.get("files", {})))
        said = Announcement(url, pid, str(found.get("version", "")), None if warm is None else float(warm), read)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return said if pid > 0 and url.startswith("http://") else None


def start_state(*, more: Iterable[str], files: Iterable[Path]) -> StartState:
    """Digest what a server starts with. `more`: variables that it reads beside those of Cairn, such as providers' keys."""
    salt = os.urandom(8).hex()
    variables = {name: _digest(_value(name), salt) for name in {*_own_variables(), *more}}
    return StartState(salt, variables, {str(path): _stamp(path) for path in files})


def reason_to_restart(found: Announcement) -> str | None:
    """Say why a server that an earlier command started doesn't fit this one; None: it does, or a person started it."""
    if found.warm_minutes is None:
        return None
    if found.version != __version__:
        return f"it is Cairn {found.version}, this is {__version__}"
    state = found.state
    if changed := _changed({*state.variables, *_own_variables()}, state):
        return f"{', '.join(changed)} {'has' if len(changed) == 1 else 'have'} a different value now"
    if changed := sorted(path for path, stamp in state.files.items() if _stamp(Path(path)) != stamp):
        return f"{', '.join(changed)} has changed"
    return None


def reads_our_settings(found: Announcement) -> bool:
    """Tell whether a server has read every setting of this command's environment: one that it hasn't may be wrong."""
    return not _changed(_own_variables(), found.state)


def _changed(names: Iterable[str], state: StartState) -> list[str]:
    return sorted(name for name in names if _digest(_value(name), state.salt) != state.variables.get(name))


def _own_variables() -> list[str]:
    return [name for name in os.environ if name.startswith("CAIRN_") and name not in OF_THE_COMMAND and not name.startswith(OWN_SECTION)]


def _value(name: str) -> str | None:
    """Return what a variable means: of one that names a file the whole path, since the same words mean another in another folder."""
    value = os.environ.get(name)
    return os.path.abspath(value) if value and (name == "CAIRN_CONFIG" or name.endswith("_FILE")) else value  # noqa: PTH100 - "..", too


def _digest(value: str | None, salt: str) -> str | None:
    return None if value is None else sha256(f"{salt}{value}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _stamp(path: Path) -> str:
    with suppress(OSError):
        found = path.stat()
        return f"{found.st_mtime_ns} {found.st_size}"
    return "absent"


def is_ours(pid: int, port: int) -> bool:
    """Tell whether the announced process lives and its port is held by this user: the file may be stale, the port another's by now."""
    if sys.platform == "win32":
        return True  # the folder is the user's own, and os.kill would end the process
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    if not sys.platform.startswith("linux"):
        return True
    return any(_held_by_us(Path("/proc/net", name), port) for name in ("tcp", "tcp6"))


def _held_by_us(table: Path, port: int) -> bool:
    """Look a listening port up in Linux's table of sockets: column 2 is the address, 4 the state, 8 the owner."""
    with suppress(OSError, ValueError):
        for line in table.read_text("ascii").splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                return int(columns[7]) == os.getuid()
    return False


@contextmanager
def in_use(folder: Path) -> Iterator[bool]:
    """Keep the folder's server from being ended while a command talks to it; yield False where it is being ended."""
    lock = try_lock(folder, shared=True)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def try_lock(folder: Path, *, shared: bool = False) -> int | None:
    """Lock the use of the folder's server: shared by commands that talk to it, exclusively by who ends it. None: it is locked otherwise."""
    try:
        lock = os.open(folder / USE_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    if sys.platform == "win32":
        return lock  # only a client runs there
    import fcntl

    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
