"""Removes invisible characters: a zero-width space inside a key must not hide it from the rules.

Returns the bare text, and maps offsets in it back. Knows no secrets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

from app.redaction.finding import Finding

_MARKS = ("\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\ufeff")
_ESCAPE = re.compile(r"\\u(?:200[bcdBCD]|2060|[fF][eE][fF]{2}|00[aA][dD])")
_RUN = re.compile(f"(?:[{''.join(_MARKS)}]|{_ESCAPE.pattern})+")


class Bare:
    """A text without its invisible characters, including JSON escapes of them."""

    def __init__(self, text: str) -> None:
        spans = [run.span() for run in _RUN.finditer(text)]
        self._removed = [0, *accumulate(end - start for start, end in spans)]
        self._seams = [start - removed for (start, _), removed in zip(spans, self._removed, strict=False)]
        self.text = _RUN.sub("", text)

    def original(self, finding: Finding) -> Finding:
        """Map a finding back to the original text, including invisible characters inside it but not around it."""
        start = finding.start + self._removed[bisect_right(self._seams, finding.start)]
        last = finding.end - 1
        return Finding(finding.kind, start, last + self._removed[bisect_right(self._seams, last)] + 1)


def in_it(text: str) -> bool:
    """Tell whether a text has invisible characters. Cheap if it has none."""
    escaped = "\\" in text and _ESCAPE.search(text) is not None
    return escaped or (not text.isascii() and any(map(text.__contains__, _MARKS)))
