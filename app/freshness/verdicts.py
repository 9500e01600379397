"""Judges one file or symbol by its states before and after each commit since a moment, and an item by all that it speaks of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from app.freshness.history import DatedChange

CodeVerdict = Literal["fresh", "changed", "gone", "unverifiable"]
CODE_VERDICTS: tuple[CodeVerdict, ...] = get_args(CodeVerdict)
Reason = Literal["names_nothing", "not_found", "ambiguous", "history_missing", "unreadable"]
"""The reasons for `unverifiable`: it names no code, or none that this repository has, or what several files define; or the clone lacks the
history since; or files that have it, or may have it, aren't read."""
UNKNOWN = "unknown"
"""The state of what can't be read. No digest is equal to it, and it isn't known to be there or not."""


@dataclass(frozen=True, slots=True)
class CodeFinding:
    """The verdict on a file or on a symbol in it.

    `path`: its present path, or its last one; `former_path`: the one it had, where that is another. `commit`, `at` (seconds since 1970):
    the last one that changed or removed it. `reason`: only of what is unverifiable.
    """

    verdict: CodeVerdict
    path: str | None = None
    symbol: str | None = None
    commit: str | None = None
    at: int | None = None
    former_path: str | None = None
    reason: Reason | None = None

    @property
    def committed_at(self) -> datetime | None:
        return None if self.at is None else datetime.fromtimestamp(self.at, UTC)


@dataclass(frozen=True, slots=True)
class Alteration:
    """A commit that changed a state (a digest, or UNKNOWN; None: it isn't there), or may have changed it."""

    commit: str
    at: int
    before: str | None
    after: str | None


State = Callable[[str, str | None], str | None]
"""(path, blob id) → the digest of what is judged in that content, or UNKNOWN; None where it isn't there."""


def alterations(changes: Sequence[DatedChange], state: State) -> list[Alteration]:
    """Return the commits that changed a state, the newest first. Each commit is compared with its own parent: branches don't mix."""
    found: list[Alteration] = []
    for each in changes:
        before, after = state(each.change.before, each.change.old_blob), state(each.change.after, each.change.new_blob)
        if before != after or before == UNKNOWN:
            found.append(Alteration(each.commit, each.at, before, after))
    return found


def judge(now: str | None, altered: Sequence[Alteration]) -> CodeFinding:
    """Judge what is in a state `now` after these alterations.

    Where the first one introduced it, that commit is what the item spoke of: it was said before it was committed. What was changed back is
    fresh.
    """
    if now == UNKNOWN or any(UNKNOWN in (each.before, each.after) for each in altered):
        return CodeFinding("unverifiable", reason="unreadable")
    since = list(altered)
    if since and since[-1].before is None:
        since.pop()
    if now is None:
        removed = next((each for each in altered if each.after is None), None)
        return (
            CodeFinding("unverifiable", reason="not_found")
            if removed is None
            else CodeFinding("gone", commit=removed.commit, at=removed.at)
        )
    if not since or since[-1].before == now:
        return CodeFinding("fresh")
    return CodeFinding("changed", commit=since[0].commit, at=since[0].at)


def combine(findings: Sequence[CodeFinding]) -> CodeFinding:
    """Judge an item by the findings of all that it speaks of: gone if all of it is gone, changed if any of it is gone or changed."""
    known = [each for each in findings if each.verdict != "unverifiable"]
    if not known:
        told = [each for each in findings if each.reason in {"ambiguous", "unreadable"}] or findings
        return told[0] if told else CodeFinding("unverifiable", reason="names_nothing")
    gone = [each for each in known if each.verdict == "gone"]
    if len(gone) == len(known):
        return _latest(gone)
    if changed := [each for each in known if each.verdict == "changed"] or gone:
        return replace(_latest(changed), verdict="changed")
    return next((each for each in known if each.former_path is not None), known[-1])


def _latest(findings: Sequence[CodeFinding]) -> CodeFinding:
    return max(findings, key=lambda each: (each.at or 0, each.symbol is not None))
