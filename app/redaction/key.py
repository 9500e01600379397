"""Recognizes keys by their format: a vendor's prefix (or an infix), then a number of characters of an alphabet.

Also finds keys that a line break or a table's border cut. The vendors' formats are rows in `vendor_keys.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.redaction import shape, wrapped
from app.redaction.finding import Finding

DONE = r"(?![A-Za-z0-9])"
HEX = "0-9a-f"
BASE62 = "A-Za-z0-9"
URLSAFE = r"A-Za-z0-9_\-"
_APART = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=\[[0-9]m)|(?<=[\[;][0-9]{2}m))"
"""Requires that the key isn't part of a longer word, for prefixes that words can end in. Letters of an escape before it (`\\n`, `%20`, a
terminal's colour) are no part of a word.
"""
_MAX_PIECE_CHARS = 400
"""Longest piece of a cut key: no terminal is wider."""


def characters(minimum: int, maximum: int = 400, alphabet: str = URLSAFE) -> str:
    """Build a regex of so many characters of an alphabet."""
    return f"[{alphabet}]{{{minimum},{maximum}}}+"


def hexadecimal(minimum: int, maximum: int | None = None) -> str:
    """Build a regex of so many hex digits, exactly `minimum` without a maximum, and a word's end."""
    return f"[{HEX}]{{{minimum},{maximum or minimum}}}{DONE}"


@dataclass(frozen=True, slots=True)
class Key:
    """A key's format: one of `prefixes`, then `body`, a regex. `alphabet`: the key's characters, to collect the pieces of a cut key.

    `full`: a key of this length is complete, so the next line is not read. `apart`: words can end in the prefix, so require a boundary.
    `words`: words can follow the prefix, so require random characters. `behind`: the prefix is an infix; (alphabet, min, max) of the
    characters before it that belong to the key.
    """

    kind: str
    prefixes: tuple[str, ...]
    body: str
    alphabet: str = URLSAFE
    full: int = 400
    apart: bool = False
    words: bool = False
    behind: tuple[str, int, int] | None = None
    opening: re.Pattern[str] = field(init=False)
    whole: re.Pattern[str] = field(init=False)
    piece: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        before = "[{}]{{{},{}}}".format(*self.behind) if self.behind else ""
        opening = (_APART if self.apart else "") + before + "(?:" + "|".join(map(re.escape, self.prefixes)) + ")"
        object.__setattr__(self, "opening", re.compile(opening))
        object.__setattr__(self, "whole", re.compile(opening + self.body))
        object.__setattr__(self, "piece", re.compile(f"[{self.alphabet}]{{1,{_MAX_PIECE_CHARS}}}+"))

    def find(self, text: str, at: int) -> Iterator[Finding]:
        start = self._start(text, at)
        opening = self.opening.match(text, start)
        if not opening:
            return
        whole = self.whole.match(text, start)
        first = whole or self.piece.match(text, start)
        spans = [whole.span()] if whole else []
        if first and first.end() - start < self.full:
            pieces = wrapped.continuations(text, start, first.end(), self.piece, may_be_whole=whole is not None)
            spans = self._joined(text, first.span(), pieces, opening.end() - start) or spans
        spans = [(begin, end - (text[end - 1] == ".")) for begin, end in spans]  # a full stop at the end belongs to the sentence
        if spans and self._accepts("".join(text[begin:end] for begin, end in spans), opening.end() - start):
            yield from (Finding(self.kind, *span) for span in spans)

    def _start(self, text: str, at: int) -> int:
        if self.behind is None:
            return at
        characters = re.compile(f"[{self.behind[0]}]")
        start = at
        while start > max(0, at - self.behind[2]) and characters.match(text, start - 1):
            start -= 1
        return start

    def _joined(self, text: str, first: wrapped.Span, pieces: Iterator[wrapped.WrappedPiece], prefix: int) -> list[wrapped.Span]:
        """Return the pieces of the longest complete key. Without table borders, a continuation must look random too."""
        joined = text[slice(*first)]
        spans, taken = [first], int(self.whole.fullmatch(joined) is not None)
        for wrapped_piece in pieces:
            piece = text[slice(*wrapped_piece.span)]
            if len(joined) >= self.full or self.opening.match(piece):
                break
            if taken and not (wrapped_piece.certain_from_layout or _looks_random(piece) or len(joined + piece) == self.full):
                break
            joined += piece
            spans.append(wrapped_piece.span)
            if self.whole.fullmatch(joined) and _looks_random(joined[prefix:]):
                taken = len(spans)
        return spans[:taken]

    def _accepts(self, key: str, prefix: int) -> bool:
        if shape.is_stand_in(key if self.behind else key[prefix:]):
            return False
        return not self.words or shape.looks_like_secret(key[prefix:], minimum=12)


def _looks_random(piece: str) -> bool:
    return any(map(str.isdigit, piece)) and any(map(str.isalpha, piece)) and shape.wordiness(piece) < 0.6
