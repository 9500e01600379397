"""Bounded memory of one session while it is read, for deduplication. Never stored."""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Set
from dataclasses import dataclass, field

MAX_STATEMENTS = 5_000
MAX_SHINGLES = 200_000
MAX_FAILURES = 200
SHINGLE = 6
SERVED_SHARE = 0.5
"""From this share of known shingles on, a text counts as Cairn's own output coming back, and isn't learnt again."""
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class SessionMemory:
    """Statements already seen, shingles of text that was served or read, and commands that failed."""

    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _known: set[int] = field(default_factory=set)
    failures: OrderedDict[str, tuple[str, str]] = field(default_factory=OrderedDict)
    """Program → (command, error line) of its last failure that no later success has resolved."""

    def is_new(self, text: str) -> bool:
        return _normal(text) not in self._seen

    def remember(self, text: str) -> None:
        self._seen[_normal(text)] = None
        if len(self._seen) > MAX_STATEMENTS:
            self._seen.popitem(last=False)

    def mark_known(self, text: str) -> None:
        """Remember a text that Cairn, a notice or a read file brought into the session: repeating it is not evidence."""
        if len(self._known) < MAX_SHINGLES:
            self._known.update(shingles(text))

    def is_known(self, text: str) -> bool:
        return bool(self._known) and share_in(text, self._known) >= SERVED_SHARE

    def fail(self, program: str, command: str, error: str) -> None:
        self.failures[program] = (command, error)
        self.failures.move_to_end(program)
        if len(self.failures) > MAX_FAILURES:
            self.failures.popitem(last=False)


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def share_in(text: str, known: Set[int]) -> float:
    """Return the share of a text's shingles that are known, 0 to 1; 0 for a text too short to have one."""
    found = shingles(text)
    return sum(each in known for each in found) / len(found) if found else 0.0


def shingles(text: str) -> list[int]:
    """Hash every sequence of SHINGLE consecutive words (CRC-32)."""
    words = _WORD.findall(text.casefold())
    return [zlib.crc32(" ".join(words[start : start + SHINGLE]).encode()) for start in range(max(0, len(words) - SHINGLE + 1))]
