"""Tells what a directory is to Cairn's client: its repository, branch and project, and whether anything of it may leave the machine.

Reads `.cairn.toml` from the directory upwards and the repository's own files. Standard library only: a hook asks it at every event.
Where something can't be read, or the directory isn't there, it counts as private.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from app.cli.git_files import GitCheckout, read_checkout
from app.cli.machine import ClientSettings, read_client_settings
from app.errors import ConfigurationError

FOLDER_FILE = ".cairn.toml"
MAX_FILE_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """A directory, as the client knows it.

    `name`: of the repository's folder, seen through worktrees, else of the directory. `main`: the same folder of the repository that it
    is a worktree of. `project`: as `.cairn.toml` names it.
    `private`: why nothing of it may leave the machine, or None. `gone`: only as there is no such folder.
    """

    directory: Path
    name: str
    repository: str | None = None
    branch: str | None = None
    project: str | None = None
    capture: bool = True
    inject: bool = True
    private: str | None = None
    main: Path | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class FolderRules:
    """The content of a `.cairn.toml`; None: it doesn't say."""

    project: str | None = None
    capture: bool | None = None
    inject: bool | None = None
    private: bool | None = None


def read_place(directory: Path, settings: ClientSettings) -> WorkPlace:
    """Read what is known of a directory. Nothing in it is trusted to be well-formed; never raises."""
    directory = Path(os.path.abspath(directory))  # noqa: PTH100 - as the IDE sees it: links are resolved beside it, below
    real = _resolved(directory)
    checkout = read_checkout(real)
    roots = [directory, real, *([checkout.main_root] if checkout else [])]
    place = WorkPlace(
        directory,
        name=(checkout.main_root if checkout else real).name,
        repository=checkout.remote if checkout else None,
        branch=checkout.branch if checkout else None,
        main=checkout.main_root / real.relative_to(checkout.root) if checkout and checkout.main_root != checkout.root else None,
    )
    place = _with_rules(place, _rule_files(roots))
    private = place.private or _privately_listed(place, roots, checkout, settings)
    if missing := private is None and not os.path.isdir(directory):  # noqa: PTH112 - one that can't be asked about is none, and no error
        private = f"{directory} is not a folder on this machine, so its .cairn.toml can't be read"
    return replace(place, private=private, gone=missing and place.capture)


def parse_rules(text: str) -> FolderRules:
    """Read a `.cairn.toml`. Raises ValueError where it is broken or says something unknown."""
    import tomllib

    found = tomllib.loads(text)
    project, private = found.pop("project", None), found.pop("private", None)
    capture, inject = _switch(found, "capture"), _switch(found, "inject")
    if found:
        raise ValueError(f"it has {', '.join(sorted(found))}, which is not a setting")
    if not (project is None or (isinstance(project, str) and project.strip())) or not (private is None or isinstance(private, bool)):
        raise ValueError("project must be a name, private must be true or false")
    return FolderRules(project and project.strip(), capture, inject, private)


def _switch(found: dict[str, Any], name: str) -> bool | None:
    table = found.pop(name, {})
    enabled = table.pop("enabled", None) if isinstance(table, dict) else table
    if not isinstance(table, dict) or table or not (enabled is None or isinstance(enabled, bool)):
        raise ValueError(f"[{name}] takes only enabled = true or false")
    return enabled


def _rule_files(roots: Sequence[Path]) -> Iterator[Path]:
    """Yield the `.cairn.toml` of the directory and of all above it, the nearest first; then those of where its links lead."""
    seen: set[Path] = set()
    for root in roots:
        for folder in (root, *root.parents):
            if folder not in seen:
                seen.add(folder)
                yield folder / FOLDER_FILE


def _with_rules(place: WorkPlace, files: Iterator[Path]) -> WorkPlace:
    """Apply each file: of a setting the nearest counts, but a private folder is private with all below it."""
    rules = FolderRules()
    for file in files:
        try:
            with file.open("rb") as opened:
                found = parse_rules(opened.read(MAX_FILE_BYTES).decode("utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, RecursionError) as error:
            return replace(place, private=f"{file} can't be read ({error}): correct the file")
        if found.private:
            return replace(place, private=f"{file} says private = true")
        rules = FolderRules(*(near if near is not None else far for near, far in zip(_values(rules), _values(found), strict=True)))
    return replace(place, project=rules.project, capture=rules.capture is not False, inject=rules.inject is not False)


def _values(rules: FolderRules) -> tuple[Any, ...]:
    return rules.project, rules.capture, rules.inject, rules.private


def _privately_listed(place: WorkPlace, roots: Sequence[Path], checkout: GitCheckout | None, settings: ClientSettings) -> str | None:
    """Find the entry of the user's lists that makes a place private."""
    for listed in settings.private_folders:
        try:
            folder = Path(listed).expanduser()
        except RuntimeError as error:
            return f"{listed}, among your private folders, has no home folder ({error}): write the full path"
        if any(root.is_relative_to(each) for root in roots for each in (folder, _resolved(folder))):
            return f"{listed} is among your private folders"
    names = {place.name, place.project or "", *(_repository_names(place.repository) if checkout else ())} - {""}
    for listed in settings.private_projects:
        if any(fnmatchcase(name.casefold(), listed.casefold()) for name in names):
            return f"{listed} is among your private projects"
    return None


def _repository_names(url: str | None) -> Iterator[str]:
    """Yield the names of a repository by which a list may mean it: `shop`, `acme/shop`, `github.com/acme/shop`."""
    plain = (url or "").replace("\\", "/").rstrip("/").removesuffix(".git")
    _, _, plain = plain.rpartition("://")
    plain = plain.rpartition("@")[2].replace(":", "/")
    parts = [part for part in plain.split("/") if part]
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def read_place_or_private(directory: Path) -> tuple[WorkPlace, ClientSettings]:
    """Read a directory with the user's own settings; if those can't be read, it is private."""
    try:
        settings = read_client_settings()
    except ConfigurationError as error:
        settings = ClientSettings()
        return replace(read_place(directory, settings), private=error.message), settings
    return read_place(directory, settings), settings
