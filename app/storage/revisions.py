"""Revisions: short digests of what people set of a thing, by which a change that knows an older state is refused."""

from __future__ import annotations

import hashlib
from typing import Final

from app.errors import ChangedMeanwhile

CHARS: Final = 16
MAX_SHOWN_CHARS: Final = 40


def revision_from(*values: object) -> str:
    """Return the revision of these values: hexadecimal, the same for the same values on every server."""
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:CHARS]


def check_revision(known: str | None, present: str, what: str) -> None:
    """Raise ChangedMeanwhile unless `known`, the revision that a change is based on, is the present one. None: no check."""
    if known is not None and known != present:
        raise ChangedMeanwhile(
            f"{what} has been changed since revision {known[:MAX_SHOWN_CHARS]}, and nothing was done: it is at {present}. Read it again,"
            " and repeat your change if it is still wanted.",
            param="if-match",
        )
