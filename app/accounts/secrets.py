"""The admin key and the secret key: from the environment, or, embedded, made once and kept in files only the owner can read."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from app.errors import ConfigurationError
from app.settings import Settings

MIN_CHARS = 24
ADMIN_FILE, SECRET_FILE = "admin.key", "secret.key"
DATABASE_MARKER = "postgres/PG_VERSION"
"""There once the embedded database has been made, which is later than the secret key."""
_RECIPE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
_RESTORE = {
    ADMIN_FILE: (
        "Restore it from a backup; or move it away and start again: then a new admin key is created, and the old one no longer works."
    ),
    SECRET_FILE: (
        f"Restore it from a backup: API keys are verified with it. Without a backup, create a new one ({_RECIPE} > {{file}}): then "
        "every developer needs a new API key (`cairn keys create`)."
    ),
}
"""Both are the truth: never made anew by themselves where they were made before."""


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """`fresh`: the admin key was made just now, by this process, and is to be shown once."""

    admin_key: str
    secret_key: str
    fresh: bool = False


def load_secrets(settings: Settings, folder: Path, *, role: Literal["serve", "worker"] = "serve") -> Secrets:
    """Read or make both. ConfigurationError when server mode lacks one, or one is too short or can't be sent in a header.

    A worker asks nobody for a key: where none is given it gets random ones that open nothing.
    """
    if role == "worker":
        admin_key, secret_key = (_given(each) or secrets.token_urlsafe(32) for each in (settings.admin_key, settings.secret_key))
        return Secrets(admin_key, secret_key)
    admin, fresh = _load(settings, settings.admin_key, folder / ADMIN_FILE, "CAIRN_ADMIN_KEY")
    secret, _ = _load(settings, settings.secret_key, folder / SECRET_FILE, "CAIRN_SECRET_KEY")
    return Secrets(admin, secret, fresh)


def _load(settings: Settings, given: SecretStr | None, file: Path, variable: str) -> tuple[str, bool]:
    """Return (key, whether it was made just now)."""
    fresh, source, cure = False, variable, f"Make one: {_RECIPE}"
    key = _given(given)
    if key is None and settings.embedded:
        if file.name == SECRET_FILE and not file.exists() and (file.parent / DATABASE_MARKER).exists():
            raise ConfigurationError(f"{file} is gone, but the database beside it is there. {_RESTORE[file.name].format(file=file)}")
        key, fresh = _kept(file)
        source = f"The key in {file} is damaged: it"
        cure = _RESTORE[file.name].format(file=file)
    if key is None:
        raise ConfigurationError(
            f"If CAIRN_DATABASE__URL is set, {variable} must be set too, to the same value on every server. Create one: {_RECIPE}"
        )
    if len(key) < MIN_CHARS or not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(f"{source} must be at least {MIN_CHARS} ASCII characters long, without spaces. {cure}")
    return key, fresh


def _given(key: SecretStr | None) -> str | None:
    """Strip the line end that a key read from a file brings along."""
    return key.get_secret_value().strip() if key is not None else None


def _kept(file: Path) -> tuple[str, bool]:
    """Return the file's key and whether this call made it."""
    try:
        made = not file.exists() and _make(file)
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
        return file.read_text(encoding="utf-8", errors="replace").strip(), made
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be read or written: {error.strerror}. The user who runs Cairn must own this file. "
            f"{_RESTORE[file.name].format(file=file)}"
        ) from error


def _make(file: Path) -> bool:
    """Write a key whole beside its place, then link it there: nobody reads half a key, and of two processes at once one wins."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(beside, file)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        beside.unlink()
