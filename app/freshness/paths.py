"""Finds the file that an item names: by its whole path, its end, or as an absolute path of somebody's machine. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

MAX_CANDIDATES = 200
"""Files of one name that are compared; with more, the name alone says too little."""


class PathIndex:
    """The paths of a commit's files and of those that were there before, by their names."""

    def __init__(self, files: Collection[str], former: Iterable[str]) -> None:
        self._files = files
        self._named: dict[str, list[str]] = defaultdict(list)
        self._formerly: dict[str, list[str]] = defaultdict(list)
        for paths, index in ((files, self._named), (former, self._formerly)):
            for path in paths:
                index[path.rpartition("/")[2]].append(path)
        self._folders: frozenset[str] | None = None

    def find(self, written: str) -> list[str]:
        """Return the files that a written path may mean: present ones, else former ones. One written whole means itself."""
        name = written.rpartition("/")[2]
        for index in (self._named, self._formerly):
            if written in (same := index.get(name, ())):
                return [written]
            if found := _matching(written, same[:MAX_CANDIDATES]):
                return found
        return []

    def folder(self, written: str) -> str | None:
        """Return the folder that a written path means; None where there is none."""
        if self._folders is None:
            self._folders = frozenset(_folders(self._files))
        path = written.strip("/")
        return path if path in self._folders else None


def _matching(written: str, paths: Iterable[str]) -> list[str]:
    """Return the paths that end as written, else the longest one that ends an absolute path or has a folder of its own."""
    relative = written.lstrip("/")
    paths = list(paths)
    if longer := [path for path in paths if f"/{path}".endswith(f"/{relative}")]:
        return longer
    shorter = [path for path in paths if relative.endswith(f"/{path}") and ("/" in path or written.startswith("/"))]
    return [max(shorter, key=len)] if shorter else []


def _folders(files: Iterable[str]) -> Iterable[str]:
    for path in files:
        while path := path.rpartition("/")[0]:
            yield path
