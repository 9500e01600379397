"""Tells which findings the server should have in place of the marks that it has. A mark of newer code stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from app.freshness.git import Repository
from app.freshness.wording import Judgement

if TYPE_CHECKING:
    from app.freshness.checking import CheckResult

MAX_MARKS = 1_000
"""Marks that are stored at once."""
CONFIRMED_AFTER = timedelta(days=30)
"""A mark that says what the check found is sent anew after so long, since one that nobody confirms expires."""
FIELDS = ("verdict", "path", "symbol", "former_path", "commit", "reason")
"""The fields in which a mark differs from another one, whatever commit was checked."""


@dataclass(frozen=True, slots=True)
class KnownMark:
    """A mark that the server has: what it says (its FIELDS), the commit that was checked, and when."""

    told: tuple[object, ...]
    head: str
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class ChosenFindings:
    """The items whose findings are to be stored. `older`: how many others differ, but their marks are of newer code."""

    items: frozenset[UUID]
    older: int


def told_by(mark: Judgement) -> tuple[object, ...]:
    """Return what a mark or a finding says: the values of its FIELDS."""
    return tuple(getattr(mark, name) for name in FIELDS)


def choose_findings(repository: Repository, result: CheckResult, marks: Mapping[UUID, KnownMark], *, at: datetime) -> ChosenFindings:
    """Choose the findings to store: of items without a mark, with another one, or with one that nobody has confirmed for long."""

    @cache
    def precedes(head: str, checked_at: datetime) -> bool:
        return _precedes(repository, result.commit, head, checked_at)

    chosen: set[UUID] = set()
    older = 0
    for item, finding in result.findings:
        mark = marks.get(item)
        if mark is not None and mark.told == told_by(finding) and at - mark.checked_at < CONFIRMED_AFTER:
            continue
        if mark is not None and precedes(mark.head, mark.checked_at):
            older += 1
        else:
            chosen.add(item)
    return ChosenFindings(frozenset(chosen), older)


def _precedes(repository: Repository, commit: str, head: str, checked_at: datetime) -> bool:
    """Tell whether a commit is older than the one that was checked before.

    Where a clone hasn't that one, it may lack what was pushed meanwhile, or that one may be of a history that was rewritten: then only a
    commit that was made after the check is newer.
    """
    if repository.has(head):
        return commit != head and repository.is_ancestor(commit, head)
    return repository.committed_at(commit) < checked_at.timestamp()


def kept_file(folder: Path, repository: Repository) -> Path:
    """Return the file in a folder that keeps a repository's digests between runs, shared by all its work trees."""
    name = sha256(str(repository.git_folder()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder / f"{name}.json"
