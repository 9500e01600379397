"""Finds the server that this machine's client talks to, without starting one. Standard library only.

CAIRN_URL and CAIRN_KEY, else the user's client.toml, else the server that runs on the data folder of this machine.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.cli.machine import ClientSettings, own_folders

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server's URL, without a slash at its end, and the key to use there; None: none is known."""

    url: str
    key: str | None

    @property
    def local(self) -> bool:
        return is_local(self.url)


def is_local(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    try:
        return (urlsplit(url).hostname or "") in LOOPBACK
    except ValueError:
        return False


def named_server(settings: ClientSettings) -> ServerAddress | None:
    """Return the server that the environment or the user's file names. A key belongs to the URL that it stands beside."""
    env = os.environ
    if url := env.get("CAIRN_URL"):
        own = settings.key if settings.url is not None and settings.url.rstrip("/") == url.rstrip("/") else None
        return ServerAddress(url.rstrip("/"), env.get("CAIRN_KEY") or env.get("CAIRN_ADMIN_KEY") or own)
    return ServerAddress(settings.url.rstrip("/"), env.get("CAIRN_KEY") or settings.key) if settings.url else None


def find_server(settings: ClientSettings) -> ServerAddress | None:
    """Return the named server, else the one that runs on this machine's data folder; None: there is none."""
    if (named := named_server(settings)) is not None:
        return named
    folder = data_folder()
    try:
        found = json.loads((folder / "server.json").read_bytes())
        url, pid = str(found["url"]), int(found["pid"])
        port = urlsplit(url).port
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    if port is None or pid <= 0 or not is_local(url) or not _is_ours(pid, port):
        return None
    key = os.environ.get("CAIRN_KEY") or os.environ.get("CAIRN_ADMIN_KEY")
    with suppress(OSError):
        key = key or (folder / "admin.key").read_text("utf-8").strip()
    return ServerAddress(url.rstrip("/"), key)


def data_folder() -> Path:
    """Return the data folder that CAIRN_DATA_DIR names, else the user's."""
    named = os.environ.get("CAIRN_DATA_DIR")
    return Path(named).expanduser() if named else Path(own_folders().data)


def _is_ours(pid: int, port: int) -> bool:
    """Tell whether the announced process lives and its port is held by this user: the file may be stale, the port another's by now."""
    if sys.platform == "win32":
        return True  # the folder is the user's own, and os.kill would end the process
    try:
        os.kill(pid, 0)
    except OSError:
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
