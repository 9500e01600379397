"""Checks labels that callers choose (names, purposes, notes): they are stored, shown and logged, so none may hold a secret.

Identifiers that look like one are rejected; free text is redacted. docs/reference/data-folder.md lists which label is which.
"""

from __future__ import annotations

from app.errors import InvalidInput
from app.redaction import redact, suspicious


def looks_like_a_secret(label: str) -> bool:
    """Tell whether redaction finds a secret in a label."""
    return suspicious(label)


def check_label(label: str, *, param: str) -> None:
    """Raise InvalidInput if an identifier looks like a secret. The error names `param` and doesn't repeat the value."""
    if looks_like_a_secret(label):
        raise InvalidInput(
            f"{param} looks like a secret, and names are stored and shown: choose another. If it is one, replace it where it is used.",
            param=param,
        )


def free_text(text: str) -> str:
    """Return a note or description with its secrets redacted."""
    return redact(text).text
