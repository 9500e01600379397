"""Checks the names of teams, developers and projects. Knows no table."""

from __future__ import annotations

import re

from app.errors import InvalidInput
from app.redaction.labels import check_label, free_text

MAX_CHARS = 100
_ACCOUNT = re.compile(r"[\w.@+-]([\w.@+ -]{0,98}[\w.@+-])?")


def check_account_name(name: str, *, param: str = "name") -> None:
    """Check the name of a team or developer, which stands in URLs, on command lines and in headers. InvalidInput names `param`."""
    check_label(name, param=param)
    if not _ACCOUNT.fullmatch(name):
        raise InvalidInput(
            f"{param} must be 1 to {MAX_CHARS} letters, digits, spaces or . _ - @ +, and neither begin nor end with a space.",
            param=param,
        )


def check_project_name(name: str, *, param: str = "project") -> None:
    """Check the name of a project, often a folder's: anything that can be printed. InvalidInput names `param`."""
    check_label(name, param=param)
    if not 1 <= len(name) <= MAX_CHARS or not name.isprintable() or name != name.strip():
        raise InvalidInput(f"{param} must be 1 to {MAX_CHARS} printable characters, and neither begin nor end with a space.", param=param)


def project_name_of(folder: str) -> str | None:
    """Turn a folder's name into a valid project name; None: nothing is left of it."""
    printable = "".join(char if char.isprintable() else " " for char in free_text(folder))
    return printable.strip()[:MAX_CHARS].rstrip() or None
