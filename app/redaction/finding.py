"""Findings, and how overlapping ones are merged. Knows no patterns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

GENERIC = frozenset({"password", "secret", "token", "api-key", "authorization", "cookie", "url-password"})
"""Kinds derived from the context; a kind that names a vendor takes precedence."""


_PLACEHOLDER = re.compile(r"\[REDACTED:[a-z0-9-]{1,40}\]")


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret of this kind at `text[start:end]` of the original. A key wrapped over two lines is two findings."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redacted text, and the findings with their offsets in the original."""

    text: str
    findings: tuple[Finding, ...]


def placeholder(kind: str) -> str:
    """Return the text that replaces a secret."""
    return f"[REDACTED:{kind}]"


def outside_placeholders(text: str, found: Iterable[Finding]) -> list[Finding]:
    """Drop findings inside placeholders: `curl-auth-user]` after `-u [REDACTED:` would look like a password."""
    findings = list(found)
    if not findings or not (hidden := [match.span() for match in _PLACEHOLDER.finditer(text)]):
        return findings
    starts = [start for start, _ in hidden]
    return [finding for finding in findings if not _inside(finding, hidden[bisect_right(starts, finding.start) - 1])]


def _inside(finding: Finding, span: tuple[int, int]) -> bool:
    return span[0] <= finding.start and finding.end <= span[1]


def merge_overlaps(found: Iterable[Finding]) -> list[Finding]:
    """Sort and merge findings. Overlaps are joined under the most specific kind, else the longer one's."""
    merged: list[Finding] = []
    for finding in sorted(found, key=lambda item: (item.start, -item.end)):
        if merged and finding.start < merged[-1].end:
            merged[-1] = _join(merged[-1], finding)
        else:
            merged.append(finding)
    return merged


def _join(first: Finding, second: Finding) -> Finding:
    winner = max(first, second, key=lambda item: (item.kind not in GENERIC, item.end - item.start))
    return Finding(winner.kind, first.start, max(first.end, second.end))


def splice(text: str, findings: list[Finding]) -> str:
    """Return the text with each finding replaced by its placeholder."""
    parts: list[str] = []
    done = 0
    for finding in findings:
        parts += (text[done : finding.start], placeholder(finding.kind))
        done = finding.end
    parts.append(text[done:])
    return "".join(parts)


class OffsetMap:
    """Maps offsets in a spliced text back to the original, for findings of a later pass."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._starts: list[int] = []  # of each placeholder, in the spliced text
        self._ends: list[int] = []
        shift = 0
        for finding in findings:
            self._starts.append(finding.start + shift)
            shift += len(placeholder(finding.kind)) - (finding.end - finding.start)
            self._ends.append(finding.end + shift)

    def of(self, finding: Finding) -> Finding:
        return Finding(finding.kind, self._place(finding.start, end=False), self._place(finding.end, end=True))

    def _place(self, place: int, *, end: bool) -> int:
        index = bisect_right(self._starts, place - 1 if end else place) - 1
        if index < 0:
            return place
        origin = self._findings[index]
        if place < self._ends[index] or (end and place == self._ends[index]):
            return origin.end if end else origin.start  # inside a placeholder: the whole secret that it replaced
        return place - self._ends[index] + origin.end
