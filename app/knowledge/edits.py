"""An item's fields as a person writes them: their bounds, a correction, the revision that it is based on, the title made for them.

Knows no database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.errors import InvalidInput
from app.knowledge.item import KNOWLEDGE_TYPES

MAX_TITLE_CHARS, MAX_TEXT_CHARS = 200, 8_000
MAX_PATHS, MAX_PATH_CHARS = 20, 500
MAX_NOTE_CHARS = 1_000
"""Characters of the note beside a verdict."""
TITLE_CHARS = 100
"""Length of a title made from a text's beginning."""


@dataclass(frozen=True, slots=True)
class Author:
    """The person who writes, and their team. `developer_id` None: an admin. `change_any`: they may correct others' items.

    `closed`: the projects that are closed to them.
    """

    team_id: UUID
    developer_id: UUID | None
    change_any: bool = False
    closed: frozenset[UUID] = frozenset()

    @property
    def columns(self) -> dict[str, object]:
        return {"developer_id": self.developer_id, "by_admin": self.developer_id is None}


class Written(Protocol):
    """The fields of an item that a person may write."""

    @property
    def type(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def paths(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class ItemFields:
    """An item's fields as a person writes them. `paths`: the files that it is about."""

    type: str
    title: str
    text: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemCorrection:
    """A correction; None: keep the field. `revision` (see `revision_of`): refuse it if the item has changed since; None: no check."""

    type: str | None = None
    title: str | None = None
    text: str | None = None
    paths: tuple[str, ...] | None = None
    revision: str | None = None

    @property
    def fields(self) -> dict[str, object]:
        values = {"type": self.type, "title": self.title, "text": self.text, "paths": self.paths}
        return {name: value for name, value in values.items() if value is not None}


def revision_of(item: Written) -> str:
    """Return a hash of an item's fields, as its version: it differs after each change, and is the same again if changed back."""
    whole = repr((item.type, item.title, item.text, tuple(item.paths)))
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def check_fields(words: ItemFields) -> None:
    """Raise InvalidInput for the first field that can't be stored."""
    if words.type not in KNOWLEDGE_TYPES:
        raise InvalidInput(f"type: {words.type[:100]!r} is not known. Known: {', '.join(KNOWLEDGE_TYPES)}.", param="type")
    for name, values in (("title", (words.title,)), ("text", (words.text,)), ("paths", words.paths)):
        if any("\x00" in each for each in values):
            raise InvalidInput(f"{name} contains a NUL character, which can't be stored: remove it.", param=name)
    if not words.text.strip():
        raise InvalidInput("text is empty: write what the team should know, so that it can be understood without context.", param="text")
    for name, value, most in (("text", words.text, MAX_TEXT_CHARS), ("title", words.title, MAX_TITLE_CHARS)):
        if len(value) > most:
            raise InvalidInput(f"{name} is longer than {most:,} characters: shorten it, or record several items.", param=name)
    if len(words.paths) > MAX_PATHS:
        raise InvalidInput(f"paths holds {len(words.paths)} paths; at most {MAX_PATHS} are allowed: leave some out.", param="paths")
    for place, each in enumerate(words.paths):
        if not each.strip():
            raise InvalidInput(f"paths[{place}] is empty: name a file or a folder, or leave it out.", param="paths")
        if len(each) > MAX_PATH_CHARS:
            raise InvalidInput(f"paths[{place}] is longer than {MAX_PATH_CHARS} characters: shorten it.", param="paths")


def title_of(text: str) -> str:
    """Return a title from a text's first line: its first sentence, never cut within a word."""
    line = next((line.strip(" \t#*->") for line in text.splitlines() if line.strip(" \t#*->")), text.strip())
    sentence = re.split(r"(?<=[.!?])\s|(?<=[。！？])", line, maxsplit=1)[0]
    if len(sentence) <= TITLE_CHARS:
        return sentence
    cut = sentence[: TITLE_CHARS - 1]
    return f"{cut[: cut.rindex(' ')] if ' ' in cut else cut} …"[:TITLE_CHARS]
