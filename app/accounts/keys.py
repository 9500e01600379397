"""API keys: how they look, and how they are compared. `cairn_<public id>_<secret>`; stored are the public id and a keyed digest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

PUBLIC_ID_CHARS = 12
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"cairn_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key just made: `key` is shown once; `public_id` (the column `lookup`) and `digest` are stored."""

    key: str
    public_id: str
    digest: bytes


def make_key(pepper: str) -> NewKey:
    public_id = "".join(secrets.choice(_ALPHABET) for _ in range(PUBLIC_ID_CHARS))
    key = f"cairn_{public_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key, public_id, digest(pepper, key))


def public_id_of(key: str) -> str | None:
    """Return the part of a well-formed key by which its row is found, which is no secret; None: it can't be one of ours."""
    found = _SHAPE.fullmatch(key)
    return found[1] if found else None


def digest(pepper: str, key: str) -> bytes:
    """Return a key's HMAC-SHA256. `pepper`: the server's secret, without which a stolen table can't be searched for a key.

    A slow hash isn't needed: a key has 256 random bits.
    """
    return hmac.digest(pepper.encode(), key.encode("utf-8", "surrogatepass"), hashlib.sha256)
