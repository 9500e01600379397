"""Tells which files of a repository stand below a folder of it of which nothing may leave the machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from app.cli.machine import ClientSettings
from app.cli.place import FOLDER_FILE, MAX_FILE_BYTES, parse_rules
from app.freshness.git import Repository, Unread


class PrivateFiles:
    """The files below a private folder: by its `.cairn.toml`, in the work tree or in the commit, or by the user's list.

    A `.cairn.toml` that can't be read makes its folder private. `whole`: by the commit, the repository's own folder is.
    """

    def __init__(self, root: Path | None, committed: Collection[str], settings: ClientSettings) -> None:
        """`root`: of the work tree; `committed`: the folders that are private by the commit."""
        self._root = root
        self._listed = {Path(each).expanduser().resolve() for each in settings.private_folders}
        self.whole = "" in committed
        self._known: dict[str, bool] = {"": False, **dict.fromkeys(committed, True)}

    def __contains__(self, path: object) -> bool:
        """Tell whether a file is below a private folder. `path`: from the repository's root, present or former."""
        return isinstance(path, str) and self._is_private(path.rpartition("/")[0])

    def _is_private(self, folder: str) -> bool:
        if (known := self._known.get(folder)) is None:
            known = self._is_private(folder.rpartition("/")[0]) or (self._root is not None and self._is_marked(self._root / folder))
            self._known[folder] = known
        return known

    def _is_marked(self, folder: Path) -> bool:
        if self._listed and folder.resolve() in self._listed:
            return True
        try:
            with (folder / FOLDER_FILE).open("rb") as opened:
                return _says_private(opened.read(MAX_FILE_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True


def find_private_files(repository: Repository, ref: str, settings: ClientSettings) -> PrivateFiles:
    """Find the private folders of a repository. InvalidInput where it has no such commit."""
    files = repository.files(repository.commit_id(ref))
    return PrivateFiles(repository.root(), _committed(repository, files), settings)


def _committed(repository: Repository, files: Mapping[str, str]) -> list[str]:
    """Return the folders that are private by a commit's files."""
    found: list[str] = []
    with repository.open_blobs() as blobs:
        for path, blob in files.items():
            folder, _, name = path.rpartition("/")
            if name == FOLDER_FILE:
                content = blobs.read(blob)
                if isinstance(content, Unread) or _says_private(content):
                    found.append(folder)
    return found


def _says_private(content: bytes) -> bool:
    try:
        return parse_rules(content.decode("utf-8-sig")).private is True
    except (ValueError, RecursionError):
        return True
