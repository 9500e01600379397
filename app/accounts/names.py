"""What a team, a developer or a project may be called. Knows no table."""

from __future__ import annotations

import re

from app.errors import InvalidInput
from app.redaction.labels import check_label, free_text

MOST_CHARS = 100
_ACCOUNT = re.compile(r"[\w.@+-]([\w.@+ -]{0,98}[\w.@+-])?")


def check_account_name(name: str, *, param: str = "name") -> None:
    """Of a team or a developer: it stands in URLs, on command lines and in headers. InvalidInput names `param`."""
    check_label(name, param=param)
    if not _ACCOUNT.fullmatch(name):
        raise InvalidInput(
            f"{param} must be 1 to {MOST_CHARS} letters, digits, spaces or . _ - @ +, and neither begin nor end with a space.",
            param=param,
        )


def check_project_name(name: str, *, param: str = "project") -> None:
    """Of a project: often a folder's name, so anything that can be printed. InvalidInput names `param`."""
    check_label(name, param=param)
    if not 1 <= len(name) <= MOST_CHARS or not name.isprintable() or name != name.strip():
        raise InvalidInput(f"{param} must be 1 to {MOST_CHARS} printable characters, and neither begin nor end with a space.", param=param)


def project_name_of(folder: str) -> str | None:
    """A folder's name as a valid project name; None: nothing is left of it."""
    printable = "".join(char if char.isprintable() else " " for char in free_text(folder))
    return printable.strip()[:MOST_CHARS].rstrip() or None
