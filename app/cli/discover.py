"""Finds transcripts in the given folders or where known agents keep them. Judges file names only; the server judges content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.cli.agent_databases import is_store
from app.cli.agent_folders import AIDER, EVERYTHING, PLACES, SPECSTORY, AgentPlace, bases

SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".md", ".txt"})
PACKED = frozenset({".zst", ".gz"})
"""Suffixes of compressed files, behind their own."""
SKIPPED_FOLDERS = frozenset({".git", "node_modules", ".venv", "__pycache__"})
NO_TRANSCRIPT = re.compile(r"(readme|license|licence|changelog|contributing|copying)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to send. `named`: given explicitly, so it must be a transcript; otherwise it was found in a folder.

    `project`: as the user names it; `directory`: where its sessions worked, where only its path tells it.
    """

    path: Path
    project: str | None
    directory: str | None
    named: bool


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """A folder where an agent keeps its sessions."""

    agent: str
    folder: Path
    files: tuple[Path, ...]


def in_paths(paths: Iterable[Path], project: str | None) -> Iterator[FoundFile]:
    """Yield every file named and every likely one below the folders named, without duplicates."""
    seen: set[Path] = set()
    for path in paths:
        files = [path] if path.is_file() else transcripts_below(path)
        for file in files:
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield FoundFile(file, project, directory_of(real), named=file is path)


def agent_folders() -> list[AgentFolder]:
    """Return the known agents' session folders that contain transcripts."""
    where = bases()
    found = [
        AgentFolder(place.agent, where[place.base] / place.folder, _in_place(where[place.base] / place.folder, place)) for place in PLACES
    ]
    return [place for place in found if place.files]


def _in_place(folder: Path, place: AgentPlace) -> tuple[Path, ...]:
    """List a place's transcripts, in order. A link that leads out of it is none of the agent's."""
    if place.pattern == EVERYTHING:
        return tuple(transcripts_below(folder))
    inside = folder.resolve()
    found = (file for file in folder.glob(place.pattern) if _likely(file.name) and file.is_file())
    return tuple(sorted(file for file in found if file.resolve().is_relative_to(inside)))


def transcripts_below(folder: Path) -> list[Path]:
    """List files that may be transcripts, in order. Links to folders are not followed: they may form a cycle."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        likely = (Path(place, name) for name in sorted(files) if _likely(name))
        found.extend(file for file in likely if file.is_file())  # skips pipes and broken links
    return found


def directory_of(path: Path) -> str | None:
    """Return the folder that a transcript's sessions worked in, if the path tells it (SpecStory, aider): such transcripts don't."""
    for place, folder in enumerate(path.parents):
        if folder.parts[-2:] == SPECSTORY:
            return str(path.parents[place + 2])
    return str(path.parent) if path.name == AIDER else None


def _likely(name: str) -> bool:
    plain = Path(name)
    if plain.suffix.lower() in PACKED:
        plain = Path(plain.stem)
    return is_store(Path(name)) or (plain.suffix.lower() in SUFFIXES and not NO_TRANSCRIPT.match(name))
