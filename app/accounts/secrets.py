"""The admin key and the secret key: from the environment, or, embedded, made once and kept in files only the owner can read."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from app.errors import ConfigurationError
from app.settings import Settings

LEAST_CHARS = 24
ADMIN_FILE, SECRET_FILE = "admin.key", "secret.key"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """`fresh`: the admin key was made just now, and is to be shown once."""

    admin_key: str
    secret_key: str
    fresh: bool = False


def load_secrets(settings: Settings, folder: Path) -> Secrets:
    """Read or make both. ConfigurationError when server mode lacks one, or one is too short to be safe."""
    fresh = settings.admin_key is None and settings.embedded and not (folder / ADMIN_FILE).exists()
    return Secrets(
        admin_key=_load(settings, settings.admin_key, folder / ADMIN_FILE, "CAIRN_ADMIN_KEY"),
        secret_key=_load(settings, settings.secret_key, folder / SECRET_FILE, "CAIRN_SECRET_KEY"),
        fresh=fresh,
    )


def _load(settings: Settings, given: SecretStr | None, file: Path, variable: str) -> str:
    if given is not None:
        key = given.get_secret_value()
    elif settings.embedded:
        key = _kept(file)
    else:
        raise ConfigurationError(f"{variable} must be set beside CAIRN_DATABASE__URL, the same on every server.")
    if len(key) < LEAST_CHARS:
        raise ConfigurationError(f"{variable} is shorter than {LEAST_CHARS} characters. Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'")
    return key


def _kept(file: Path) -> str:
    """The file's key; made now if absent. Written whole beside its place and linked there: of two at once, one wins."""
    if not file.exists():
        made = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(made, file)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return file.read_text().strip()
