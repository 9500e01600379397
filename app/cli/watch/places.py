"""Names the folders where agents write transcripts, lists the files in them, and finds the folder that a transcript's session worked in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.cli.agent_folders import AIDER, SPECSTORY, bases
from app.cli.discover import NO_TRANSCRIPT, SKIPPED_FOLDERS

LIKELY = (".jsonl", ".ndjson", ".json", ".md")
HEAD_BYTES = 64 * 1024
CHUNK_BYTES, OVERLAP_BYTES = 256 * 1024, 16 * 1024
"""Bytes that are searched at a time, and those searched again with the next: a folder's name is shorter."""
_CWD = re.compile(rb'"cwd"\s*:\s*"((?:[^"\\]|\\.){1,4096})"')
_NO_WORD = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class WatchedPlace:
    """A folder whose files are followed. `format`: of all its files, or auto. `within`: a folder's name that must be in a file's path."""

    agent: str
    folder: Path
    format: str = "auto"
    within: str | None = None
    only: str | None = None

    def takes(self, path: str) -> bool:
        """Tell whether a file of this path may be a transcript."""
        name = os.path.basename(path)  # noqa: PTH119 - tens of thousands of paths
        if self.only is not None:
            return name == self.only
        if not name.lower().endswith(LIKELY) or NO_TRANSCRIPT.match(name):
            return False
        return self.within is None or self.within in path.replace("\\", "/").split("/")


def known_places(home: Path, work: Path) -> list[WatchedPlace]:
    """Return the places of the agents that keep transcripts as files, where they exist."""
    where = bases(home=home, work=work)
    editor = where["config"] / "Code" / "User" / "workspaceStorage"
    found = [
        WatchedPlace("Claude Code", where["claude"] / "projects", "claude-code"),
        WatchedPlace("Codex", where["codex"] / "sessions", "codex"),
        WatchedPlace("Cursor", home / ".cursor" / "projects", within="agent-transcripts"),
        WatchedPlace("GitHub Copilot", editor, within="chatSessions"),
        WatchedPlace("SpecStory", work.joinpath(*SPECSTORY), "specstory"),
        WatchedPlace("aider", work, "aider", only=AIDER),
    ]
    return [place for place in found if (place.folder / (place.only or "")).exists()]


def files_in(place: WatchedPlace) -> Iterator[os.DirEntry[str]]:
    """Yield the place's files. Links are not followed: they may lead out of the folder, or form a cycle."""
    folders = [str(place.folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED_FOLDERS and place.only is None:
                        folders.append(entry.path)
                elif place.takes(entry.path) and entry.is_file(follow_symlinks=False):
                    yield entry


def is_inside(path: str, place: WatchedPlace) -> bool:
    """Tell whether a path is the place's own regular file, and no link leads out of the folder on the way."""
    try:
        real, root = os.path.realpath(path), os.path.realpath(place.folder)
        return not os.path.islink(path) and os.path.isfile(path) and Path(real).is_relative_to(root)  # noqa: PTH113, PTH114
    except OSError:
        return False


def directories_in(data: bytes) -> list[str]:
    """Return the working folders that records name, in order, each once."""
    found = []
    for quoted in _CWD.findall(data):
        with suppress(ValueError):
            found.append(str(json.loads(b'"' + quoted + b'"')))
    return list(dict.fromkeys(found))


def directories_ahead(descriptor: int, start: int, *, line: bool) -> tuple[list[str], int | None]:
    """Return the folders named from `start` on to the end of its line, or of the file, and that end; None: the line has none yet."""
    found: dict[str, None] = {}
    at, kept = start, b""
    os.lseek(descriptor, start, os.SEEK_SET)
    while data := os.read(descriptor, CHUNK_BYTES):
        end = data.find(b"\n") + 1 if line else 0
        text = kept + (data[:end] if end else data)
        found |= dict.fromkeys(directories_in(text))
        if end:
            return list(found), at + end
        at, kept = at + len(data), text[-OVERLAP_BYTES:]
    return list(found), None if line else at


def directory_of(path: Path) -> str | None:
    """Return the folder that a transcript's session worked in, by its place or its head; None: it can't be told."""
    parts = path.parts
    if path.name == AIDER:
        return str(path.parent)
    if parts[-3:-1] == SPECSTORY:
        return str(path.parents[2])
    with suppress(OSError), path.open("rb") as file:
        if found := directories_in(file.read(HEAD_BYTES)):
            return found[0]
    if "chatSessions" in parts:
        return _workspace(path.parents[len(parts) - 1 - parts.index("chatSessions")] / "workspace.json")
    if "projects" in parts[:-2]:
        return folder_of_slug(parts[parts.index("projects") + 1])
    return None


def folder_of_slug(slug: str, root: Path | None = None) -> str | None:
    """Find the folder whose path is written with `-` for each other character, as Cursor and Claude Code name theirs."""
    root = root or Path(Path.cwd().anchor)
    slug = slug.lstrip("-")
    with suppress(OSError):
        for folder in sorted(root.iterdir(), key=lambda each: -len(each.name)):
            plain = _NO_WORD.sub("-", folder.name).lstrip("-")
            if slug in {plain, plain.rstrip("-")} and folder.is_dir():
                return str(folder)
            if slug.startswith(f"{plain}-") and folder.is_dir() and (found := folder_of_slug(slug[len(plain) + 1 :], folder)):
                return found
    return None


def _workspace(file: Path) -> str | None:
    """Read the folder of an editor's workspace."""
    with suppress(OSError, ValueError, AttributeError):
        parts = urlsplit(json.loads(file.read_bytes()).get("folder", ""))
        return unquote(parts.path) if parts.scheme == "file" and parts.path else None
    return None
