"""Makes ids, names and URLs fit to be stored: redacted, within the length of a column or an index, without characters that PostgreSQL refuses."""

from __future__ import annotations

import hashlib
import re

from app.redaction import redact

NAME_CHARS = 1000
"""Length to which titles, names and locators are cut."""
ID_BYTES = 1000
"""Ids longer than this are hashed: PostgreSQL's indexes hold up to 2,700 bytes."""
_USER = re.compile(r"(?<=://)[^/\s]*@")


def without_invalid_chars(text: str) -> str:
    """Remove NUL and lone surrogates, which PostgreSQL refuses. Done before redaction, since either could split a secret."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def stored_id(text: str) -> str:
    """Return an id as stored. One that holds a secret or is over ID_BYTES is replaced by its hash, which is stable and unique."""
    plain = without_invalid_chars(text)
    if len(plain.encode()) <= ID_BYTES and not redact(plain).findings:
        return plain
    return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


def stored_name(text: str) -> str:
    """Redact and cut a title, name or locator."""
    return redact(without_invalid_chars(text)).text[:NAME_CHARS]


def stored_url(url: str) -> str:
    """Return a repository's URL without its user name and password."""
    return stored_name(_USER.sub("", url, count=1))
