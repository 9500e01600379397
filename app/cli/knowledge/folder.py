"""A folder of items as Markdown files: finds and reads them, names new ones, replaces and removes them whole. Knows no server.

Links are not followed: what stands in the folder is all that is read, and nothing outside of it is written.
"""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.knowledge.documents import MAX_BYTES, ItemDocument, digest, read
from app.cli.knowledge.front_matter import BadFrontMatter
from app.errors import InvalidInput

SUFFIX: Final = ".md"
SLUG_CHARS: Final = 60
NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
"""Windows has no such flag, and none is needed beside O_EXCL; it says what is meant."""
ID_CHARS: Final = (8, 13, 36)
"""Characters of the id in a name: as few as make it unique in the folder."""
_NOT_IN_NAMES: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class MarkdownFile:
    """A Markdown file of the folder. `document` None: it is no item, or can't be read, and then `problem` says why and what to do.

    `digest`: of its bytes.
    """

    path: Path
    name: str
    digest: bytes
    document: ItemDocument | None = None
    problem: str | None = None


def open_folder(folder: Path, *, create: bool = False) -> Path:
    """Return the folder's own place. InvalidInput where it is none, or can't be made."""
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            return folder.resolve()
    except OSError as error:
        raise InvalidInput(f"{folder} can't be used ({error.strerror}): choose another folder.", param="folder") from error
    raise InvalidInput(f"{folder} is not a folder: name the one that `cairn knowledge export` wrote.", param="folder")


def find_files(folder: Path) -> Iterator[MarkdownFile]:
    """Read every Markdown file below the folder, in the order of their names; none in hidden folders."""
    for place, folders, files in os.walk(folder):
        shown = sorted(each for each in folders if not each.startswith("."))
        linked = {each for each in shown if (Path(place) / each).is_symlink()}
        folders[:] = [each for each in shown if each not in linked]
        for name in sorted([*(each for each in files if each.endswith(SUFFIX) and not each.startswith(".")), *linked]):
            path = Path(place) / name
            yield _found(path, os.fsencode(path.relative_to(folder)).decode("utf-8", "replace"))


def _found(path: Path, name: str) -> MarkdownFile:
    try:
        if path.is_symlink():
            said = "it is a symbolic link, which is not followed: put the file itself into the folder"
            return MarkdownFile(path, name, b"", problem=said)
        if not path.is_file():
            return MarkdownFile(path, name, b"", problem="it is not a file: only Markdown files may be called .md here")
        size = path.stat().st_size
        if size > MAX_BYTES:
            said = f"it has {size:,} bytes, and the file of an item at most {MAX_BYTES:,}: shorten it, or move it out of the folder"
            return MarkdownFile(path, name, b"", problem=said)
        content = path.read_bytes()
        try:
            return MarkdownFile(path, name, digest(content), read(content))
        except BadFrontMatter as error:
            return MarkdownFile(path, name, digest(content), problem=str(error))
    except OSError as error:
        return MarkdownFile(path, name, b"", problem=f"it can't be read ({error.strerror}): check its permissions")


def new_path(folder: Path, title: str, item_id: str) -> Path:
    """Return a path for an item that has no file yet: its title and the beginning of its id."""
    for chars in ID_CHARS:
        path = folder / f"{slug(title)}-{item_id[:chars]}{SUFFIX}"
        if not os.path.lexists(path):
            return path
    raise InvalidInput(f"{path} is there already, and is not the file of its item: move it away, and export again.", param="folder")


def slug(title: str) -> str:
    """Write a title as a part of a file's name: lower case, the letters and digits of any script, hyphens between them."""
    words = _NOT_IN_NAMES.sub("-", unicodedata.normalize("NFC", title.lower())).strip("-")
    return words[:SLUG_CHARS].encode()[: 2 * SLUG_CHARS].decode(errors="ignore").strip("-") or "item"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. InvalidInput where it can't be written."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")  # no name that others could have put a link at
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666), "wb") as file:
            file.write(content)
        part.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path} can't be written ({error.strerror}): make room, or choose another folder.", param="folder") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def is_unchanged(path: Path, known: bytes) -> bool:
    """Tell whether a file still has the bytes that were read: an editor may have saved it meanwhile."""
    try:
        return not path.is_symlink() and digest(path.read_bytes()) == known
    except OSError:
        return False
