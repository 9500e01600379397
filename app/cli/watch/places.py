"""Names the folders whose transcripts are followed, and lists the files in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from app.cli.agent_folders import EVERYTHING, PLACES, bases
from app.cli.discover import NO_TRANSCRIPT, SKIPPED_FOLDERS

LIKELY = (".jsonl", ".ndjson", ".json", ".md")


@dataclass(frozen=True, slots=True)
class WatchedPlace:
    """A folder whose files of this pattern are followed. `format`: of all its files, or auto."""

    agent: str
    folder: Path
    format: str = "auto"
    pattern: str = EVERYTHING

    @property
    def only(self) -> Path | None:
        """The one file that the pattern names, if it does."""
        return None if "*" in self.pattern else self.folder / self.pattern

    def takes(self, path: str) -> bool:
        """Tell whether a file of this path in the folder may be a transcript."""
        name = os.path.basename(path)  # noqa: PTH119 - tens of thousands of paths
        if not name.lower().endswith(LIKELY) or NO_TRANSCRIPT.match(name):
            return False
        below = path[len(str(self.folder)) :].replace("\\", "/").lstrip("/")
        return self.pattern == EVERYTHING or _matcher(self.pattern).fullmatch(below) is not None

    def leads(self, name: str, depth: int) -> bool:
        """Tell whether a folder of this name, so many below the place's own, may hold transcripts."""
        folders = self.pattern.split("/")[:-1]
        fixed = folders.index("**") if "**" in folders else len(folders)
        return name not in SKIPPED_FOLDERS and (fnmatchcase(name, folders[depth]) if depth < fixed else "**" in folders)


@dataclass(frozen=True, slots=True)
class UnfollowedPlace:
    """A place of an agent's that is left to `cairn ingest`, and why."""

    agent: str
    folder: Path
    reason: str


def known_places(home: Path, work: Path) -> tuple[list[WatchedPlace], list[UnfollowedPlace]]:
    """Return the agents' places that exist: those whose files are followed, and those that are left to `cairn ingest`."""
    where = bases(home=home, work=work)
    followed: list[WatchedPlace] = []
    left: list[UnfollowedPlace] = []
    for place in PLACES:
        folder = where[place.base] / place.folder
        if place.unfollowed is not None:
            if next(folder.glob(place.pattern), None) is not None:
                left.append(UnfollowedPlace(place.agent, folder, place.unfollowed))
            continue
        watched = WatchedPlace(place.agent, folder, place.format, place.pattern)
        if (watched.only or folder).exists():
            followed.append(watched)
    return followed, left


def files_in(place: WatchedPlace) -> Iterator[os.DirEntry[str]]:
    """Yield the place's files. Links are not followed: they may lead out of the folder, or form a cycle."""
    folders = [(str(place.folder), 0)]
    while folders:
        folder, depth = folders.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if place.leads(entry.name, depth):
                        folders.append((entry.path, depth + 1))
                elif place.takes(entry.path) and entry.is_file(follow_symlinks=False):
                    yield entry


def is_inside(path: str, place: WatchedPlace) -> bool:
    """Tell whether a path is the place's own regular file, and no link leads out of the folder on the way."""
    try:
        real, root = os.path.realpath(path), os.path.realpath(place.folder)
        return not os.path.islink(path) and os.path.isfile(path) and Path(real).is_relative_to(root)  # noqa: PTH113, PTH114
    except OSError:
        return False


@cache
def _matcher(pattern: str) -> re.Pattern[str]:
    """Build the expression of a pattern of `Path.glob`, of which only stars are used."""
    parts = ["(?:[^/]+/)*" if each == "**" else re.escape(each).replace(r"\*", "[^/]*") + "/" for each in pattern.split("/")]
    return re.compile("".join(parts).removesuffix("/"), re.DOTALL)
