"""An item as a Markdown file: the front matter says which item it is, the body is its text. Knows no folder and no server.

The bytes depend on the item alone. `revision` is the hash of the words that the server had: a file whose own words have that hash is as it
was written, wherever it has been meanwhile; any other was edited by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.cli.knowledge.front_matter import FENCE, BadFrontMatter, Value, parse, quoted, split
from app.knowledge.edits import ItemFields, revision_of

if TYPE_CHECKING:
    from app.cli.client import Json

READ_KEYS: Final = frozenset({"id", "project", "type", "title", "paths", "revision"})
"""The keys that are read back; the others are for people."""
MAX_BYTES: Final = 1_048_576
MAX_SOURCES: Final = 10
"""Citations in a file, the newest."""


@dataclass(frozen=True, slots=True)
class ItemDocument:
    """A file that was read. `id` None: it is no item yet. None of a field: the file doesn't say.

    `revision`: of the words that it was written with. `text`: exactly what stands below the front matter.
    """

    id: str | None
    project: str | None
    type: str | None
    title: str | None
    paths: tuple[str, ...] | None
    revision: str | None
    text: str

    @property
    def is_as_written(self) -> bool:
        """Tell whether its words are those that it was written with: nobody has edited them."""
        words = ItemFields(self.type or "", self.title or "", self.text, self.paths or ())
        return self.revision is not None and revision_of(words) == self.revision


def read(content: bytes) -> ItemDocument | None:
    """Read a file; None: it has no front matter, so it is no item. Raises BadFrontMatter, which says what to do."""
    if b"\x00" in content:
        raise BadFrontMatter("it is a binary file: only Markdown files may be called .md here")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFrontMatter(f"it is not text in UTF-8 (byte {error.start:,}): save it in that encoding") from None
    if text.partition("\n")[0].endswith("\r"):  # an editor or git wrote the whole file with Windows' ends of lines
        text = text.replace("\r\n", "\n")
    parts = split(text)
    if parts is None:
        return None
    values = parse(parts[0], READ_KEYS)
    paths = values.get("paths", [])
    return ItemDocument(
        id=_id(values),
        project=_text(values, "project"),
        type=_text(values, "type"),
        title=_text(values, "title"),
        paths=None if "paths" not in values else tuple([paths] if isinstance(paths, str) else paths or ()),
        revision=_text(values, "revision"),
        text=parts[1].removeprefix("\n").removesuffix("\n"),
    )


def write(item: Json) -> bytes:
    """Write an item, as an export or a route tells it."""
    state = "hidden" if item["hidden"] else item["freshness"]
    lines = [
        FENCE,
        f"id: {item['id']}",
        f"project: {quoted(item['project'])}",
        f"type: {item['type']}",
        f"title: {quoted(item['title'])}",
        *(["paths:", *(f"  - {quoted(path)}" for path in item["paths"])] if item["paths"] else ["paths: []"]),
        f"state: {state}",
        f"revision: {quoted(item['revision'])}",
        f"created: {_moment(item['created_at'])}",
        f"last_seen: {_moment(item['last_seen_at'])}",
        *([f"corrected: {_moment(item['corrected_at'])}"] if item["corrected_at"] else []),
        f"evidence_count: {item['evidence_count']}",
        *_subjects(item),
        *_sources(item),
        FENCE,
        "",
        item["text"],
        "",
    ]
    return "\n".join(lines).encode()


def digest(content: bytes) -> bytes:
    """Return a hash by which contents are compared that aren't held."""
    return hashlib.blake2b(content, digest_size=16).digest()


def same_text(text: str) -> str:
    """Return a text without what editors change unasked: ends of lines, white space before them and around it all."""
    return "\n".join(line.rstrip(" \t\r") for line in text.split("\n")).strip()


def _subjects(item: Json) -> list[str]:
    """Write what the item is about, by the names that `cairn query --subject` finds it by."""
    names = dict.fromkeys(each["name"] for each in item["subjects"])
    return ["subjects:", *(f"  - {quoted(name)}" for name in names)] if names else []


def _sources(item: Json) -> list[str]:
    """Write where the item was said, without what was said: a repository may have more readers than the team."""
    said = [each for each in item["evidence"] if each.get("session_id")][:MAX_SOURCES]
    lines = ["sources:"] if said else []
    for each in said:
        lines += [f"  - session: {each['session_id']}", f"    transcript: {quoted(each['transcript'])}"]
        lines += [f"    locator: {quoted(each['locator'])}", *([f"    at: {_moment(each['at'])}"] if each["at"] else [])]
    return lines


def _moment(moment: str) -> str:
    """Write a time as every reply's would be written: in UTC, to the second."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _id(values: Mapping[str, Value]) -> str | None:
    text = _text(values, "id")
    if text is None:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        raise BadFrontMatter(f"its id {text[:60]!r} is no item's id: restore the line, or remove it to record a new item") from None


def _text(values: Mapping[str, Value], key: str) -> str | None:
    value = values.get(key)
    if isinstance(value, list):
        raise BadFrontMatter(f"its {key} is a list: write one value")
    return value
