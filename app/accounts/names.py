"""Checks the names of teams, developers and projects. Knows no table.

Names are in any script, and kept in Unicode's composed form (NFC): the same name is then the same characters, however it was typed. Those
of teams and developers stand for people: what could pass for another name unseen is refused.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from app.errors import InvalidInput
from app.redaction.labels import check_label, free_text

MAX_CHARS = 100
SIGNS: Final = frozenset("_.@+-")
LOOK_ALIKE_SCRIPTS: Final = ("LATIN", "CYRILLIC", "GREEK")
"""Scripts with letters that look the same, as the names of their characters begin."""


def canonical(name: str) -> str:
    """Return a name as it is stored and looked for: composed (NFC)."""
    return unicodedata.normalize("NFC", name)


def check_account_name(name: str, *, param: str = "name") -> None:
    """Check the name of a team or developer, which stands in URLs, on command lines and in headers. InvalidInput names `param`."""
    check_label(name, param=param)
    _check_no_folder(name, param)
    _check_seen(name, param)
    if not 1 <= len(name) <= MAX_CHARS or name != name.strip(" ") or not all(_may_stand(char) for char in name) or _is_mark(name[0]):
        raise InvalidInput(
            f"{param} must be 1 to {MAX_CHARS} letters, digits, spaces or . _ - @ +, without a space at the beginning or end.",
            param=param,
        )
    if (plain := unicodedata.normalize("NFKC", name)) != canonical(name):
        raise InvalidInput(f"{param} holds characters that look like others: write {plain!r}.", param=param)
    if len(mixed := _scripts(name)) > 1:
        raise InvalidInput(f"{param} mixes letters that look alike ({' and '.join(mixed)}): write it in one script.", param=param)


def check_project_name(name: str, *, param: str = "project") -> None:
    """Check the name of a project, often a folder's: anything that can be printed. InvalidInput names `param`."""
    check_label(name, param=param)
    _check_no_folder(name, param)
    _check_seen(name, param)
    if not 1 <= len(name) <= MAX_CHARS or not name.isprintable() or name != name.strip():
        raise InvalidInput(f"{param} must be 1 to {MAX_CHARS} printable characters, without a space at the beginning or end.", param=param)


def _check_no_folder(name: str, param: str) -> None:
    """Raise InvalidInput for dots alone: in an address `.` and `..` are folders, and clients resolve them before they ask."""
    if name and not name.strip("."):
        raise InvalidInput(f"{param} consists of dots alone, which stand for a folder in an address: choose another.", param=param)


def _check_seen(name: str, param: str) -> None:
    """Raise InvalidInput for a character that isn't seen, or turns those beside it around."""
    unseen = next((char for char in name if unicodedata.category(char) in {"Cf", "Cc", "Zl", "Zp"}), None)
    if unseen is not None:
        called = unicodedata.name(unseen, "a control character")
        raise InvalidInput(f"{param} holds a character that can't be seen (U+{ord(unseen):04X}, {called}): leave it out.", param=param)


def _may_stand(char: str) -> bool:
    return char.isalnum() or char == " " or char in SIGNS or _is_mark(char)


def _is_mark(char: str) -> bool:
    """Tell whether a character is a part of the letter before it: an accent, or a vowel in scripts of India."""
    return unicodedata.category(char).startswith("M")


def _scripts(name: str) -> list[str]:
    """Name the scripts of look-alike letters that a name has letters of."""
    found = {unicodedata.name(char, "").partition(" ")[0] for char in name if char.isalpha()}
    return [script.capitalize() for script in LOOK_ALIKE_SCRIPTS if script in found]


def project_name_of(folder: str) -> str | None:
    """Turn a folder's name into a valid project name; None: nothing is left of it."""
    printable = "".join(char if char.isprintable() else " " for char in free_text(folder))
    name = canonical(printable).strip()[:MAX_CHARS].rstrip()
    return name if name.strip(".") else None
