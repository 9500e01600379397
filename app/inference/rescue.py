"""Joining a broken stream with the next provider's answer. Pure: it decides what of the new one may be delivered.

Two different answers are never spliced: a continuation follows what was delivered; a restarted answer is joined only after it has
repeated that word for word.
"""

from __future__ import annotations

REPEATED_CHARS = 24
"""A continuation that begins with so much of what was delivered is a restart."""


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
            return self._decide()
        return self._repeated()

    def end(self) -> str:
        """The new answer is whole. Different when it stopped before it came to where the delivered one broke off."""
        if self.joined:
            return ""
        if self._undecided:  # as short as the beginning of what was delivered: it is a continuation
            return self._continued()
        raise Different

    def _decide(self) -> str:
        """Continuation or restart? Undecided while all it has said is what the delivered text begins with, too."""
        probe = self._delivered[:REPEATED_CHARS]
        if len(self._seen) < len(probe) and probe.startswith(self._seen):
            return ""
        self._undecided = False
        return self._repeated() if self._seen.startswith(probe) else self._continued()

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
