"""Knows what this machine's user has set for Cairn's client: the server and key, private folders and projects.

Standard library only: a hook reads it at every event. The server's own settings are app.settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from app.errors import ConfigurationError

CLIENT_FILE = "client.toml"
MAX_WAIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class UserFolders:
    """The folders in which a user's programs keep settings, state and data on one system."""

    config: PurePath
    state: PurePath
    data: PurePath


def user_folders(platform: str, home: str, env: Mapping[str, str]) -> UserFolders:
    """Return Cairn's folders: by the XDG variables, else by the system's custom. `platform`: as sys.platform."""
    if platform == "win32":
        roaming = PureWindowsPath(env.get("APPDATA") or PureWindowsPath(home, "AppData", "Roaming"))
        local = PureWindowsPath(env.get("LOCALAPPDATA") or PureWindowsPath(home, "AppData", "Local"))
        return UserFolders(roaming / "cairn", local / "cairn" / "state", local / "cairn" / "data")

    def folder(variable: str, *custom: str) -> PurePath:
        named = env.get(variable, "")
        return (PurePosixPath(named) if named.startswith("/") else PurePosixPath(home, *custom)) / "cairn"

    return UserFolders(
        folder("XDG_CONFIG_HOME", ".config"), folder("XDG_STATE_HOME", ".local", "state"), folder("XDG_DATA_HOME", ".local", "share")
    )


def own_folders() -> UserFolders:
    """Return the folders of the user who runs this. Raises ConfigurationError where the system knows no home of theirs."""
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ConfigurationError("The system knows no home folder for this user: set HOME, then try again.") from error
    return user_folders(sys.platform, str(home), os.environ)


def client_file() -> Path:
    return Path(own_folders().config, CLIENT_FILE)


def state_folder() -> Path:
    return Path(own_folders().state)


@dataclass(frozen=True, slots=True)
class HookWaits:
    """Milliseconds that a hook waits: for a connection, for what may be added to a conversation, for the receipt of anything else.

    An IDE drops the hooks of a session's end after 1.5 s.
    """

    connect_ms: int = 100
    answer_ms: int = 1800
    receipt_ms: int = 800


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The content of the user's `client.toml`. `private_projects` may hold `*`, as in `github.com/acme/*`."""

    url: str | None = None
    key: str | None = None
    private_folders: tuple[str, ...] = ()
    private_projects: tuple[str, ...] = ()
    waits: HookWaits = HookWaits()


def read_client_settings(path: Path | None = None) -> ClientSettings:
    """Read the user's file; an absent one sets nothing. Raises ConfigurationError where it can't be read or says something unknown."""
    path = path or client_file()
    try:
        content = path.read_bytes()
        import tomllib  # where there is no such file, nobody waits for it

        found = tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError:
        return ClientSettings()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} can't be read ({error}). Correct the file: until then nothing is captured on this machine."
        ) from error
    private, hook = found.pop("private", {}), found.pop("hook", {})
    url, key = found.pop("url", None), found.pop("key", None)
    if not isinstance(private, dict) or not isinstance(hook, dict):
        raise ConfigurationError(f"{path}: private and hook must be tables: [private] with folders and projects, [hook] with connect_ms.")
    folders, projects = private.pop("folders", []), private.pop("projects", [])
    waits = {name: hook.pop(name) for name in HookWaits.__dataclass_fields__ if name in hook}
    if unknown := sorted({*found, *(f"private.{name}" for name in private), *(f"hook.{name}" for name in hook)}):
        raise ConfigurationError(f"{path} has {', '.join(unknown)}, which is not a client setting: check its spelling.")
    if not (_texts(folders) and _texts(projects) and all(each is None or isinstance(each, str) for each in (url, key))):
        raise ConfigurationError(f"{path}: url and key must be strings; private.folders and private.projects must be lists of strings.")
    if not all(type(each) is int and 0 < each <= MAX_WAIT_MS for each in waits.values()):
        raise ConfigurationError(f"{path}: {', '.join(waits)} of [hook] must be whole milliseconds, from 1 to {MAX_WAIT_MS}.")
    return ClientSettings(url or None, key or None, tuple(folders), tuple(projects), HookWaits(**waits))


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner alone: a leftover under its temporary name, which others may read, is not used."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        made.replace(path)
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)
