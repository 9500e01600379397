"""Joining a broken stream with the next provider's answer. Pure: it decides what of the new one may be delivered.

Two different answers are never spliced: a continuation follows what was delivered; a restarted answer is joined only after it has
repeated that word for word.
"""

from __future__ import annotations

REPEATED_CHARS = 24
"""So much of what was delivered, found at the beginning of a continuation, is a restart."""
HELD_BACK_CHARS = 200
"""Of a continuation, before any of it is delivered: a new beginning may come after a few words of greeting."""
LEAST_CONTINUED_CHARS = 8
"""Of less, nobody can tell a continuation from a new beginning: a restart is asked for."""


class Different(Exception):
    """The new answer is another one: nothing of it may be delivered."""


class Joiner:
    """Feed it the new answer's text; it gives what follows the delivered text. `prefilled`: the provider was asked to continue it."""

    def __init__(self, delivered: str, *, prefilled: bool) -> None:
        self._delivered = delivered
        self._undecided = prefilled
        self._trail = delivered[len(delivered.rstrip()) :] if prefilled else ""
        self._seen = ""
        self.joined = False

    def feed(self, text: str) -> str:
        """Different when it turns out to be another answer."""
        if self.joined:
            return text
        self._seen += text
        if self._undecided:
            return "" if len(self._seen) < HELD_BACK_CHARS else self._decide()
        return self._repeated()

    def end(self) -> str:
        """The new answer is whole. Different when it stopped before it came to where the delivered one broke off."""
        before = self.joined
        if before:
            return ""
        found = self._decide() if self._undecided else ""
        if not self.joined:
            raise Different
        return found

    def _decide(self) -> str:
        """Continuation, restart, or another answer that holds the same beginning somewhere."""
        self._undecided = False
        beginning, heard = self._delivered.strip()[:REPEATED_CHARS], self._seen[:HELD_BACK_CHARS]
        if self._delivered.startswith(self._seen[: len(self._delivered)]) and heard.lstrip().startswith(beginning):
            return self._repeated()
        if (letters := _letters(beginning)) and letters in _letters(heard):
            raise Different
        return self._continued()

    def _repeated(self) -> str:
        if self._seen.startswith(self._delivered):
            self.joined = True
            return self._seen[len(self._delivered) :]
        if not self._delivered.startswith(self._seen):
            raise Different
        return ""

    def _continued(self) -> str:
        """The prefill went without its trailing space: if the continuation brings it, it is there already."""
        self.joined = True
        return self._seen.removeprefix(self._trail) if self._trail else self._seen


def _letters(text: str) -> str:
    """Without marks, spaces and capitals: "**The" is "the"."""
    return "".join(each for each in text.casefold() if each.isalnum())
