"""Judges values in places where little but a password can stand, and builds matchers for such places.

Knows no such places; `headers.py`, `commands.py`, `options.py` and `files.py` name them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from app.redaction import shape
from app.redaction.finding import Finding
from app.redaction.gate import Find

_NO_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "pw"})

_STANDS_FOR_ONE = re.compile(
    r"(?:my|new|old|the|some|user|username|db|root|admin|test|strong|secure|plain)?[_-]?(?:text)?(?:pass(?:word|wd|phrase)?|passwort|pwd|pw|secret|hash)\d{0,3}!?\Z",
    re.IGNORECASE,
)


def secret_at(kind: str, pattern: re.Pattern[str], accepts: Callable[[str], bool]) -> Find:
    """Build a matcher for one secret at the place that a pattern describes."""

    def find(text: str, at: int) -> Iterator[Finding]:
        if (match := pattern.match(text, at)) and accepts(match["secret"]):
            yield Finding(kind, *match.span("secret"))

    return find


def may_be_password(value: str) -> bool:
    """Tell whether a value is accepted as a password in a place where nothing else can stand."""
    if value.lower() in _NO_PASSWORDS or (value.isalpha() and value.isupper()):
        return False
    return not value.startswith("$") and not (len(value) > 3 and shape.is_placeholder(value))


def may_be_password_argument(value: str) -> bool:
    """Tell whether a command's argument is accepted as a password: any word, except placeholders and variables."""
    return (
        len(value) >= 4 and may_be_password(value) and not _STANDS_FOR_ONE.match(value) and value[0] not in "$%<{[*-/" and "(" not in value
    )


def is_clearly_password(value: str) -> bool:
    """Tell whether a value is accepted as a password in a place where something else could stand: no word, number or path."""
    if not may_be_password(value) or not any(map(str.isalpha, value)):
        return False
    if "/" in value:
        return value[0] not in "/.~" and shape.looks_random(value, minimum=12)
    return not value.isalpha() or shape.is_gibberish(value)
