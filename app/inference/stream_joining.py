"""Join a broken stream with the next provider's answer. Pure: decides which part of the new answer may be delivered.

Two different answers are never spliced: a continuation follows what was delivered; a restarted answer is joined only after it has
repeated the delivered text word for word.
"""

from __future__ import annotations

REPEATED_CHARS = 24
"""A continuation whose beginning repeats this much of the delivered text is a restart."""
HELD_BACK_CHARS = 200
"""Hold back this much of a continuation before delivering any: a restart may follow a few words of greeting."""
MIN_CONTINUED_CHARS = 8
"""Below this a continuation and a restart can't be told apart: ask for a restart."""


class AnswerMismatch(Exception):
    """The new answer differs from the delivered text: nothing of it may be delivered."""


class StreamJoiner:
    """Takes the new answer's text and returns what follows the delivered text. `prefilled`: the provider was asked to continue it."""

    def __init__(self, delivered: str, *, prefilled: bool) -> None:
        self._delivered = delivered
        self._undecided = prefilled
        self._trailing_space = delivered[len(delivered.rstrip()) :] if prefilled else ""
        self._seen = ""
        self.joined = False

    def feed(self, text: str) -> str:
        """Take more text; return what may be delivered. Raises Different if it is another answer."""
        if self.joined:
            return text
        self._seen += text
        if self._undecided:
            return "" if len(self._seen) < HELD_BACK_CHARS else self._decide()
        return self._repeated()

    def end(self) -> str:
        """Finish; return what is still held back. Raises Different if the new answer never reached the point of the break."""
        before = self.joined
        if before:
            return ""
        found = self._decide() if self._undecided else ""
        if not self.joined:
            raise AnswerMismatch
        return found

    def _decide(self) -> str:
        """Decide: continuation, restart, or a different answer that contains the same beginning."""
        self._undecided = False
        beginning, heard = self._delivered.strip()[:REPEATED_CHARS], self._seen[:HELD_BACK_CHARS]
        if self._delivered.startswith(self._seen[: len(self._delivered)]) and heard.lstrip().startswith(beginning):
            return self._repeated()
        if (letters := _letters(beginning)) and letters in _letters(heard):
            raise AnswerMismatch
        return self._continued()

    def _repeated(self) -> str:
        if self._seen.startswith(self._delivered):
            self.joined = True
            return self._seen[len(self._delivered) :]
        if not self._delivered.startswith(self._seen):
            raise AnswerMismatch
        return ""

    def _continued(self) -> str:
        """Drop a leading space that was delivered already: the prefill is sent without its trailing space."""
        self.joined = True
        return self._seen.removeprefix(self._trailing_space) if self._trailing_space else self._seen


def _letters(text: str) -> str:
    """Return letters and digits only, case-folded: "**The" becomes "the"."""
    return "".join(each for each in text.casefold() if each.isalnum())
