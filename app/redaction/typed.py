"""Passwords where only a password can stand: what a rule for such a place is, and what it still refuses.

Knows no place by itself; `headers.py`, `commands.py` and `files.py` name them.
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


def one(kind: str, pattern: re.Pattern[str], accepts: Callable[[str], bool]) -> Find:
    """A rule for one secret at a place that the pattern describes."""

    def find(text: str, at: int) -> Iterator[Finding]:
        if (match := pattern.match(text, at)) and accepts(match["secret"]):
            yield Finding(kind, *match.span("secret"))

    return find


def typed(value: str) -> bool:
    """A password where only a password can stand."""
    if value.lower() in _NO_PASSWORDS or (value.isalpha() and value.isupper()):
        return False
    return not value.startswith("$") and not (len(value) > 3 and shape.placeholder(value))


def stated(value: str) -> bool:
    """A password that a command is given: any word will do, but not one that only stands for a password, and no variable."""
    return len(value) >= 4 and typed(value) and not _STANDS_FOR_ONE.match(value) and value[0] not in "$%<{[*-/" and "(" not in value


def typed_with_digit(value: str) -> bool:
    """Where something else could stand too: no word, no number, no path."""
    if not typed(value) or not any(map(str.isalpha, value)):
        return False
    if "/" in value:
        return value[0] not in "/.~" and shape.random(value, least=12)
    return not value.isalpha() or shape.gibberish(value)
