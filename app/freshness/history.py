"""The files of a commit and what happened to them before: which path was which, and every change of a file since a moment. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.freshness.git import Commit, FileChange

MAX_RENAMES = 50
"""Renames of one file that are followed."""


@dataclass(frozen=True, slots=True)
class DatedChange:
    """A change with its commit. `order`: the commit's place in the history, 0 for the newest."""

    commit: str
    at: int
    order: int
    change: FileChange


class History:
    """The files at a commit (path → blob id), and the changes that led there, the newest first."""

    def __init__(self, files: Mapping[str, str], commits: Sequence[Commit]) -> None:
        self.files = files
        self._onto: dict[str, list[DatedChange]] = defaultdict(list)
        self._away: dict[str, DatedChange] = {}
        for order, commit in enumerate(commits):
            for change in commit.changes:
                dated = DatedChange(commit.id, commit.at, order, change)
                self._onto[change.after].append(dated)
                if change.status in {"deleted", "renamed"}:
                    self._away.setdefault(change.before, dated)

    @property
    def former_paths(self) -> Iterator[str]:
        """Yield the paths that are no file any more."""
        return (path for path in self._away if path not in self.files)

    def last_path(self, path: str) -> str:
        """Return the last path that a file had, through renames."""
        for _ in range(MAX_RENAMES):
            moved = self._away.get(path)
            if path in self.files or moved is None or moved.change.status == "deleted":
                break
            path = moved.change.after
        return path

    def changes(self, path: str, *, after: int) -> list[DatedChange]:
        """Return the changes of a file after a time, the newest first, through renames. `path`: its last one."""
        found: list[DatedChange] = []
        reached = 0
        for _ in range(MAX_RENAMES):
            since = [each for each in self._onto.get(path, ()) if each.order >= reached]
            renamed = next((each for each in since if each.change.status == "renamed"), None)
            found += since if renamed is None else [each for each in since if each.order <= renamed.order]
            if renamed is None:
                break
            path, reached = renamed.change.before, renamed.order + 1
        return [each for each in found if each.at > after]

    def all_changes(self) -> Iterator[DatedChange]:
        """Yield every change, in no particular order."""
        for each in self._onto.values():
            yield from each
