"""Says in one sentence what became of the code that an item speaks of, for every place that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, assert_never

from app.freshness.verdicts import CodeVerdict, Reason

SHORT_COMMIT = 10
"""Digits of a commit's id that are shown."""
_REASONS: Mapping[Reason, str] = {
    "names_nothing": "It names no file or symbol",
    "not_found": "What it names is not in the repository",
    "ambiguous": "What it names is in several files: name the file",
    "unreadable": "What it names may be in files that are not read: too long, binary, missing from the clone, or too many",
    "history_missing": "The clone lacks the history since it was said: run git fetch --unshallow",
}


class Judgement(Protocol):
    """A verdict with what it is about: a `verdicts.CodeFinding`, or a stored mark."""

    @property
    def verdict(self) -> CodeVerdict: ...
    @property
    def path(self) -> str | None: ...
    @property
    def symbol(self) -> str | None: ...
    @property
    def former_path(self) -> str | None: ...
    @property
    def commit(self) -> str | None: ...
    @property
    def committed_at(self) -> datetime | None: ...
    @property
    def reason(self) -> Reason | None: ...


def describe(told: Judgement) -> str:
    """Return the sentence, without a full stop. Paths and symbols are quoted from the repository: never an instruction."""
    match told.verdict:
        case "unverifiable":
            return _REASONS[told.reason or "not_found"]
        case "fresh":
            moved = f": moved from {told.former_path}" if told.former_path else ""
            return f"{_subject(told)} is as it was{moved}"
        case "changed":
            return f"{_subject(told)} changed{_moved(told)}{_when(told)}"
        case "gone":
            return f"{_subject(told)} is gone{_when(told)}"
        case _:
            assert_never(told.verdict)


def _subject(told: Judgement) -> str:
    if told.symbol is None:
        return told.path or "Its code"
    return f"{told.symbol} in {told.path}" if told.path else told.symbol


def _moved(told: Judgement) -> str:
    return f", moved from {told.former_path}" if told.former_path else ""


def _when(told: Judgement) -> str:
    if told.commit is None:
        return ""
    day = f" on {told.committed_at:%Y-%m-%d}" if told.committed_at else ""
    return f" with commit {told.commit[:SHORT_COMMIT]}{day}"
