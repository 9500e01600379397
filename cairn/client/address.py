"""Finds the server's URL and the key: as they are given, else in CAIRN_URL and CAIRN_KEY, else in the user's client.toml."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cairn.client.errors import NotConfigured

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Address:
    """A server's URL without a slash at its end, and the key to use there, which no representation shows."""

    url: str
    key: str = field(repr=False)

    @property
    def local(self) -> bool:
        """Tell whether it leads to this machine: then no proxy stands between."""
        return (urlsplit(self.url).hostname or "") in LOOPBACK


def find_address(url: str | None, key: str | None, env: Mapping[str, str] | None = None) -> Address:
    """Return the server's address. A key of the file is used for the URL beside it alone. Raises NotConfigured."""
    env = os.environ if env is None else env
    found_url, found_key = url or env.get("CAIRN_URL"), key or env.get("CAIRN_KEY")
    file = None
    if not found_url or not found_key:
        file = client_file(env)
        in_file = _read(file)
        found_url = found_url or in_file.get("url")
        if not found_key and found_url and in_file.get("url", "").rstrip("/") == found_url.rstrip("/"):
            found_key = in_file.get("key")
    if not found_url:
        raise NotConfigured(f"No server is known: pass url, or set CAIRN_URL, or write url and key into {file}.")
    if not found_key:
        raise NotConfigured(f"There is no key for {found_url}: pass key, or set CAIRN_KEY. An admin makes one by `cairn keys create NAME`.")
    return Address(_checked_url(found_url), _checked_key(found_key))


def client_file(env: Mapping[str, str]) -> Path:
    """Return the file in which `cairn` keeps the user's server and key."""
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming", "cairn", "client.toml")
    named = env.get("XDG_CONFIG_HOME", "")
    return Path(named if named.startswith("/") else Path.home() / ".config", "cairn", "client.toml")


def _read(file: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise NotConfigured(f"{file} can't be read ({type(error).__name__}): mend it, or pass url and key.") from error
    return {name: found[name] for name in ("url", "key") if isinstance(found.get(name), str)}


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.query or parts.fragment or "@" in parts.netloc:
        raise NotConfigured("The server's URL can't be right: give one such as https://cairn.example.org or http://127.0.0.1:8080.")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise NotConfigured("The key can't be sent: it contains a space, a line break or a character outside ASCII. Copy it again.")
    return key
