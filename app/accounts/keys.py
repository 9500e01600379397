"""API keys: how they look, and how they are compared. `cairn_<lookup>_<secret>`; only a keyed digest is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

LOOKUP_CHARS = 12
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"cairn_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key just made: `key` is shown once; `lookup` and `digest` are what is stored."""

    key: str
    lookup: str
    digest: bytes


def make_key(secret_key: str) -> NewKey:
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(LOOKUP_CHARS))
    key = f"cairn_{lookup}_{secrets.token_urlsafe(32)}"
    return NewKey(key, lookup, digest(secret_key, key))


def lookup_of(key: str) -> str | None:
    """Return the public part of a well-formed key; None: it can't be one of ours."""
    found = _SHAPE.fullmatch(key)
    return found[1] if found else None


def digest(secret_key: str, key: str) -> bytes:
    """Return a key's HMAC-SHA256: without the secret key, a stolen table tells nothing. Keys have 256 random bits: no slow hash needed."""
    return hmac.digest(secret_key.encode(), key.encode("utf-8", "surrogatepass"), hashlib.sha256)
