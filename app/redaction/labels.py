"""Labels that callers choose: names, purposes, notes. They are stored, shown and logged, so none may hold a secret.

An identifier that looks like one is refused; free text is stored without it. Which label is which, docs/operations.md lists.
"""

from __future__ import annotations

from app.errors import InvalidInput
from app.redaction import redact, suspicious


def looks_like_a_secret(label: str) -> bool:
    """Tell whether redaction finds anything in the label."""
    return suspicious(label)


def check_label(label: str, *, param: str) -> None:
    """Refuse an identifier that looks like a secret. InvalidInput names `param`, and doesn't repeat what was sent."""
    if looks_like_a_secret(label):
        raise InvalidInput(
            f"{param} looks like a secret, and names are stored and shown: choose another. If it is one, replace it where it is used.",
            param=param,
        )


def free_text(text: str) -> str:
    """Return a note or a description as it may be stored: each secret replaced by its kind."""
    return redact(text).text
