"""Finds transcripts in the given folders or where known agents keep them. Judges file names only; the server judges content."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".md", ".txt"})
PACKED = frozenset({".zst", ".gz"})
"""Suffixes of compressed files, behind their own."""
SKIPPED_FOLDERS = frozenset({".git", "node_modules", ".venv", "__pycache__"})
NO_TRANSCRIPT = re.compile(r"(readme|license|licence|changelog|contributing|copying)\b", re.IGNORECASE)
SPECSTORY = (".specstory", "history")
AIDER = ".aider.chat.history.md"
CLINE = "api_conversation_history.json"
CLINE_EXTENSIONS = {"Cline": "saoudrizwan.claude-dev", "Roo Code": "rooveterinaryinc.roo-cline"}
EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf")


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


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder or file where an agent may keep its sessions. `only`: the name of the files that are sessions; None: all that are likely."""

    agent: str
    folder: Path
    only: str | None = None


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
    found = [AgentFolder(place.agent, place.folder, tuple(_files_of(place))) for place in _places()]
    return [place for place in found if place.files]


def _places() -> list[_Place]:
    claude = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    codex = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    return [
        _Place("SpecStory", Path.cwd().joinpath(*SPECSTORY)),
        _Place("aider", Path.cwd() / AIDER),
        _Place("Claude Code", claude / "projects"),
        _Place("Codex", codex / "sessions"),
        _Place("Codex, archived", codex / "archived_sessions"),
        *(
            _Place(f"{agent} in {editor}", _editor_folder(editor) / "User" / "globalStorage" / extension / "tasks", CLINE)
            for agent, extension in CLINE_EXTENSIONS.items()
            for editor in EDITORS
        ),
    ]


def _editor_folder(editor: str) -> Path:
    """Return where an editor of VS Code's kind keeps its data on this system."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / editor
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / editor
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / editor


def _files_of(place: _Place) -> list[Path]:
    files = [place.folder] if place.folder.is_file() else transcripts_below(place.folder)
    return [file for file in files if place.only is None or file.name == place.only]


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
    return plain.suffix.lower() in SUFFIXES and not NO_TRANSCRIPT.match(name)
