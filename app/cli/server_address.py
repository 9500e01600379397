"""Finds the server that this machine's client talks to, without starting one. Standard library only.

CAIRN_URL and CAIRN_KEY, else the user's client.toml, else the server that runs on the data folder of this machine.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.cli.announcement import announced, is_ours, reads_our_settings, reason_to_restart
from app.cli.machine import ClientSettings, own_folders

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PROBE_SECONDS = 2


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


def find_server(settings: ClientSettings, *, lasting: bool = False) -> ServerAddress | None:
    """Return the named server, else the one that runs on this machine's data folder; None: there is none.

    `lasting`: not one that a command started, whose address is another the next time.
    """
    if (named := named_server(settings)) is not None:
        return named
    folder = data_folder()
    found = announced(folder)
    if found is None or found.port is None or not is_local(found.url) or not is_ours(found.pid, found.port):
        return None
    if lasting and found.warm_minutes is not None:
        return None
    return ServerAddress(found.url.rstrip("/"), local_key(folder))


def local_key(folder: Path) -> str | None:
    """Return the key of the environment or, on the server's own machine, the admin key of its data folder."""
    if key := os.environ.get("CAIRN_KEY") or os.environ.get("CAIRN_ADMIN_KEY"):
        return key
    with suppress(OSError):
        return (folder / "admin.key").read_text("utf-8").strip()
    return None


def warm_url() -> str | None:
    """Return the URL of the server on this machine's data folder, if it fits this command; None: read the settings, and look closer.

    A file of settings may name another data folder, and a variable that is new may be wrong.
    """
    if os.environ.get("CAIRN_CONFIG") and not os.environ.get("CAIRN_DATA_DIR"):
        return None
    found = announced(data_folder())
    if found is None or found.port is None or not is_local(found.url) or not is_ours(found.pid, found.port):
        return None
    fits = reason_to_restart(found) is None and reads_our_settings(found)
    return found.url if fits and _accepts(found.port) else None


def _accepts(port: int) -> bool:
    """Tell whether a port of this machine takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def data_folder() -> Path:
    """Return the data folder that CAIRN_DATA_DIR names, else the user's."""
    named = os.environ.get("CAIRN_DATA_DIR")
    return Path(named).expanduser() if named else Path(own_folders().data)
