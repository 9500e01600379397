"""Reads what failed as a family in fixed words and a signature, by which two failures of one class are equal. Keeps no text of a session; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app.trajectory.events.normal import digest
from app.trajectory.events.steps import Result

MAX_SIGNED_WORDS: Final = 10
"""Words of an error line that its signature is made of, the first ones: names and values are left out before."""
NO_FAILURE: Final = "no failure"
REFUSAL: Final = "a person's refusal"
UNKNOWN: Final = "an unknown failure"
THIN_FAMILIES: Final = frozenset({NO_FAILURE, REFUSAL, UNKNOWN})
"""Families whose members have nothing in common that says what went wrong: too little to tell somebody unasked."""
_FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    (
        "a missing module",
        r"module ?not ?found|no module named|cannot find (?:module|package)|unresolved import|package \S{1,80} is not in|could not resolve \S{1,80} import",
    ),
    ("a missing command", r"command not found|not recognized as|spawn\S{0,80}.{0,80}enoent|enoent.{0,80}spawn"),
    (
        "an edit that doesn't match",
        r"to replace (?:was )?not found|failed to match|noexactmatch|found \d+ matches|(?:old_string|match) is not unique|conform to the edit format|hunk .{0,20}failed|patch does not apply",
    ),
    ("a merge conflict", r"merge conflict|conflict\b.{0,20}\bin\b|would be overwritten|unmerged"),
    ("a push that is refused", r"non-fast-forward|\[(?:remote )?rejected\]|failed to push|fetch first"),
    (
        "a database's schema",
        r"(?:relation|table|column|index|constraint|schema|revision)\b.{0,80}(?:exist|not found|missing|unknown|duplicate)|multiple heads|no such (?:table|column)",
    ),
    ("a lock", r"\block(?:ed)?\b|deadlock|resource busy|ebusy"),
    ("a port in use", r"address already in use|eaddrinuse|port \d{1,5} is"),
    ("a refused connection", r"connection refused|econnrefused|(?:could not|cannot|can't|failed to) connect"),
    (
        "a dependency conflict",
        r"could not find a version|eresolve|dependency (?:conflict|tree)|no matching version|unsatisfiable|conflicting dependencies",
    ),
    ("a syntax error", r"syntax ?error|unexpected (?:token|end|identifier|indent)|parse ?error|indentationerror|unterminated"),
    ("a failed assertion", r"assert\w*|expected\b.{0,100}\b(?:got|received|actual|found|but|to)\b|to (?:be|equal|contain|match)\b"),
    (
        "a missing name",
        r"nameerror|is not defined|cannot find (?:name|symbol|value)|undeclared|unknown (?:identifier|name)|undefined (?:reference|symbol|name|variable)",
    ),
    (
        "a type error",
        r"type ?error|incompatible type|not assignable|mismatched types|has no attribute|attributeerror|does not exist on type|\bts2\d{3}\b|of undefined|of null",
    ),
    ("a missing file", r"no such file|file ?not ?found|\bfile\b.{0,100}does not exist|enoent"),
    (
        "a lack of permission",
        r"permission denied|access denied|eacces|eperm|not permitted|forbidden|unauthori[sz]ed|not logged in|log ?in required|authentication (?:failed|required)",
    ),
    ("a lack of memory or room", r"out of memory|no space left|\bheap\b|\boom\b|enomem"),
    ("an invalid argument", r"invalid|unrecognized|unknown option|usage:|bad (?:request|argument)|valueerror|keyerror|indexerror"),
    ("a timeout", r"time[d ]? ?-?out"),
)
_KNOWN: Final = [(family, re.compile(pattern, re.IGNORECASE)) for family, pattern in _FAMILIES]
_QUOTED: Final = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`|“[^”\n]{0,200}”|«[^»\n]{0,200}»")
_RENAMING: Final = re.compile(r"\S{1,100}\s{0,3}(?:->|=>|→)\s{0,3}\S{1,100}")
"""Names on both sides of an arrow: a branch and its remote, a file that is moved."""
_TOKEN: Final = re.compile(r"[^\s,;()\[\]{}<>=|]{1,200}")
_CODE: Final = re.compile(r"[A-Z]{1,5}-?\d{2,5}")
"""A code such as TS2345, E0308 or ORA-01400: of a token with digits only these tell a failure's class."""


@dataclass(frozen=True, slots=True)
class FailureSignature:
    """A class of failures. `family`: in words of a fixed list; `value`: 63 bits, equal for failures whose lines differ only by names and values."""

    family: str
    value: int


def failure_signature(result: Result, error: str) -> FailureSignature:
    """Return the class of a call's failure. `error`: the line that says what failed (`SessionStep.error`), bounded."""
    if result == "unavailable":
        return _signed("a service that doesn't answer", ())
    if result == "rejected":
        return _signed(REFUSAL, ())
    words = _telling_words(error)
    other = "another failure" if words else UNKNOWN
    return _signed(next((family for family, pattern in _KNOWN if pattern.search(error)), other), words)


def trouble_signature(trouble: str) -> FailureSignature:
    """Return the class of a trouble in which no call failed: its kind is all that is known."""
    return _signed(NO_FAILURE, (trouble,))


def _signed(family: str, words: tuple[str, ...]) -> FailureSignature:
    return FailureSignature(family, digest("\0".join((family, *words))))


def _telling_words(error: str) -> tuple[str, ...]:
    """Return an error line's words without what names this one case: quotations, paths, members, numbers."""
    tokens = (each.strip(".:!?'\"*-—…") for each in _TOKEN.findall(_RENAMING.sub(" ", _QUOTED.sub(" ", error))))
    return tuple(each.casefold() for each in tokens if each.replace("-", "").isalpha() or _CODE.fullmatch(each))[:MAX_SIGNED_WORDS]
