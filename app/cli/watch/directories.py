"""Finds the folders that a transcript's sessions worked in: in its records, by its place, or in what its agent keeps beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.cli.agent_folders import AIDER, SPECSTORY

HEAD_BYTES = 64 * 1024
_CWD = re.compile(rb'"cwd"\s*:\s*"((?:[^"\\]|\\.){1,4096})"')
_TREES = re.compile(rb'"trees"\s*+:\s*+\[((?:[^\]"]{1,8192}+|"(?!trees")){1,2048}+)\]')
"""Amp's folders: URLs. No byte is looked at from two beginnings: a crafted file would take minutes. So it is below."""
_URI = re.compile(rb'"uri"\s*:\s*"((?:[^"\\]|\\.){1,4096})"')
_CLINE = re.compile(rb'# Current (?:Working|Workspace) Directory \(((?:[^)"\\#]|#(?! Current W)|\\.){1,4096}+)\)')
_CLINES = frozenset({"auto", "cline"})
"""Formats in which a text may name the folder: in any other it is quoted."""
_NO_WORD = re.compile(r"[^A-Za-z0-9]")


def directories_in(data: bytes, format: str = "auto") -> list[str]:  # noqa: A002 - the contract's word
    """Return the working folders that records name, in order, each once."""
    found = [_plain(quoted) for quoted in _CWD.findall(data)]
    found += [_path_of(_plain(uri)) for tree in _TREES.findall(data) for uri in _URI.findall(tree)]
    if format in _CLINES:
        found += [_plain(quoted) for quoted in _CLINE.findall(data)]
    return list(dict.fromkeys(folder for folder in found if folder))


def directories_of(path: Path, format: str = "auto") -> list[str]:  # noqa: A002
    """Return the folders that a transcript's session worked in, in order: by its place, then by its head. Empty: it can't be told.

    Where a place tells the session's folder, that comes first, and what records name is none without it: it may be any tool's input.
    """
    if path.name == AIDER:
        return [str(path.parent)]
    if path.parts[-3:-1] == SPECSTORY:
        return [str(path.parents[2])]
    named: list[str] = []
    with suppress(OSError), path.open("rb") as file:
        named = directories_in(file.read(HEAD_BYTES), format)
    places, slug = list(_by_place(path)), _slug_of(path)
    if not places and slug is not None:
        told = next((each for each in named if _NO_WORD.sub("-", each).strip("-") == slug.strip("-")), None)
        places = [told or folder_of_slug(slug)]
        if not any(places) and "agent-transcripts" not in path.parts:  # Cursor's records name none
            return named
    if places and not any(places):
        return []
    return list(dict.fromkeys(folder for folder in (*places, *named) if folder))


def _by_place(path: Path) -> Iterator[str | None]:
    """Yield the folder of a session of an agent that keeps it beside the transcript, or in its path; None: it isn't there."""
    parts = path.parts
    if (chats := _above(path, "chatSessions")) is not None:
        yield _path_of(_told(chats / "workspace.json", "folder"))
    if path.name.startswith("session-") and (chats := _above(path, "chats")) is not None:  # Gemini CLI
        yield _line(chats / ".project_root")
    if path.name == "chat_history.jsonl" and len(parts) > 2:  # Grok
        yield unquote(parts[-3]) if parts[-3].startswith("%") else None
    if path.name == "wire.jsonl" and (agents := _above(path, "agents")) is not None:  # Kimi Code
        yield _told(agents / "state.json", "workDir")


def _slug_of(path: Path) -> str | None:
    above = [place for place, name in enumerate(path.parts[:-2]) if name == "projects"]
    return path.parts[above[-1] + 1] if above else None


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


def _above(path: Path, name: str) -> Path | None:
    """Return what stands above the last folder of this name in a path."""
    return next((each.parent for each in path.parents if each.name == name), None)


def _plain(quoted: bytes) -> str | None:
    with suppress(ValueError):
        return str(json.loads(b'"' + quoted + b'"'))
    return None


def _path_of(url: str | None) -> str | None:
    """Return the path of a file's URL; None: it is none."""
    parts = urlsplit(url or "")
    path = unquote(parts.path) if parts.scheme == "file" else ""
    return (path[1:] if re.match(r"/[A-Za-z]:", path) else path) or None


def _told(file: Path, name: str) -> str | None:
    """Read a text of a JSON object."""
    with suppress(OSError, ValueError):
        found = json.loads(file.read_bytes())
        value = found.get(name) if isinstance(found, Mapping) else None
        return value if isinstance(value, str) else None
    return None


def _line(file: Path) -> str | None:
    with suppress(OSError, ValueError):
        return file.read_text("utf-8").strip()
    return None
