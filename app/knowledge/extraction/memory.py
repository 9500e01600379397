"""What is remembered of a session while it is read: bounded, and nothing of it is ever stored."""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Set
from dataclasses import dataclass, field

MOST_STATEMENTS = 5_000
MOST_SHINGLES = 200_000
MOST_FAILURES = 200
SHINGLE = 6
SERVED_SHARE = 0.5
"""A candidate of which half of the word sequences came out of Cairn is Cairn's own text coming back."""
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Memory:
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _served: set[int] = field(default_factory=set)
    failures: OrderedDict[str, tuple[str, str]] = field(default_factory=OrderedDict)
    """Program → (command, error line) of the last failure that nothing has put right yet."""

    def is_new(self, text: str) -> bool:
        return _normal(text) not in self._seen

    def remember(self, text: str) -> None:
        self._seen[_normal(text)] = None
        if len(self._seen) > MOST_STATEMENTS:
            self._seen.popitem(last=False)

    def serve(self, text: str) -> None:
        """Cairn gave this text into the session."""
        if len(self._served) < MOST_SHINGLES:
            self._served.update(shingles(text))

    def was_served(self, text: str) -> bool:
        return bool(self._served) and share_in(text, self._served) >= SERVED_SHARE

    def fail(self, program: str, command: str, error: str) -> None:
        self.failures[program] = (command, error)
        self.failures.move_to_end(program)
        if len(self.failures) > MOST_FAILURES:
            self.failures.popitem(last=False)


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def share_in(text: str, known: Set[int]) -> float:
    """How much of a text's word sequences is among those known, 0-1; 0 for a text too short to have one."""
    found = shingles(text)
    return sum(each in known for each in found) / len(found) if found else 0.0


def shingles(text: str) -> list[int]:
    """Every sequence of SHINGLE words, hashed."""
    words = _WORD.findall(text.casefold())
    return [zlib.crc32(" ".join(words[start : start + SHINGLE]).encode()) for start in range(max(0, len(words) - SHINGLE + 1))]
