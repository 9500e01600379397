"""Compares a file with its item as it is on the server: unchanged, older than the item, edited by hand, or not to be taken. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from app.cli.knowledge.documents import ItemDocument, digest, same_text
from app.errors import InvalidInput
from app.knowledge.edits import ItemFields, check_fields

if TYPE_CHECKING:
    from app.cli.client import Json

FileState = Literal["unchanged", "outdated", "edited"]
"""`outdated`: nobody edited the file, and the item was changed since."""
NEW_TYPE: Final = "gotcha"
"""The type of a new item whose file names none, as `cairn remember` has it."""
CONFLICT = (
    "the item was changed since this file was written, so nothing was sent and the file stays. To see the present words, move the file away"
    " and export again; to replace them with the file's, write `revision: {}` in it and import again"
)
NO_REVISION = (
    "its line `revision` is missing, without which later changes of others could be lost: write `revision: {}` to replace the words"
)
OTHER_PROJECT = "it names the project {!r}, but the item belongs to {!r}, and an import doesn't move items. Export again"
IS_PASSAGE = "its id is a passage's, which is quoted verbatim and can't be corrected: remove the line `id` to record a new item"
_REDACTED: Final = re.compile(r"\[REDACTED:[a-z0-9-]+\]")


@dataclass(frozen=True, slots=True)
class PresentItem:
    """An item as it is on the server: what is needed to compare a file with it. `text`: a hash."""

    revision: str
    project: str
    type: str
    title: str
    paths: tuple[str, ...]
    text: bytes

    @classmethod
    def of(cls, item: Json) -> PresentItem:
        if item.get("kind") == "passage":
            raise InvalidInput(IS_PASSAGE)
        text = digest(same_text(item["text"]).encode())
        return cls(item["revision"], item["project"], item["type"], item["title"], tuple(item["paths"]), text)

    def changes(self, document: ItemDocument) -> Json:
        """Return the fields in which a file differs, but for what editors change unasked, and for what it doesn't name."""
        wanted = {"type": document.type, "title": document.title, "paths": document.paths}
        found: Json = {name: value for name, value in wanted.items() if value is not None and value != getattr(self, name)}
        if digest(same_text(document.text).encode()) != self.text:
            found["text"] = document.text.strip()
        return found


def compare(document: ItemDocument, present: PresentItem) -> FileState:
    """Tell what became of an item's file. InvalidInput says why it can't be taken, and what to do."""
    if document.project not in {None, present.project}:
        raise InvalidInput(OTHER_PROJECT.format(document.project, present.project))
    changes = present.changes(document)
    if not changes:
        return "unchanged"
    if document.is_as_written:
        return "outdated"
    if document.revision is None:
        raise InvalidInput(NO_REVISION.format(present.revision))
    if document.revision != present.revision:
        raise InvalidInput(CONFLICT.format(present.revision))
    if not changes.get("title", "some").strip():
        raise InvalidInput("title is empty: write one, or remove the line to keep the present one.")
    # What is unchanged is exempt from limits.
    kind, title, text = (str(changes.get(name, kept)) for name, kept in (("type", NEW_TYPE), ("title", ""), ("text", "unchanged")))
    check_fields(ItemFields(kind, title, text, tuple(changes.get("paths", ()))))
    return "edited"


def differences(document: ItemDocument, stored: Json) -> Sequence[str]:
    """Return the fields in which an item, as it was stored, differs from a new file that names them, but for redacted secrets.

    They differ where the text was recorded before: the server then keeps the item as it is.
    """
    title, paths = " ".join((document.title or "").split()), list(dict.fromkeys(each.strip() for each in document.paths or ()))
    same = {
        "type": document.type in {None, stored["type"]},
        "title": not title or _is_redacted(stored["title"], title),
        "text": _is_redacted(same_text(stored["text"]), same_text(document.text)),
        "paths": document.paths is None or (len(paths) == len(stored["paths"]) and all(map(_is_redacted, stored["paths"], paths))),
    }
    return [name for name, is_same in same.items() if not is_same]


def _is_redacted(stored: str, given: str) -> bool:
    """Tell whether a stored text is the given one, but for what stands in place of secrets."""
    first, *between = _REDACTED.split(stored)
    if not between:
        return stored == given
    last = between.pop()
    place, end = len(first), len(given) - len(last)
    if not given.startswith(first) or not given.endswith(last):
        return False
    for part in between:
        if (found := given.find(part, place, end)) < 0:
            return False
        place = found + len(part)
    return place <= end


def check_new(document: ItemDocument) -> None:
    """Raise InvalidInput for the first field of a new item that can't be stored."""
    check_fields(ItemFields(document.type or NEW_TYPE, document.title or "", document.text, document.paths or ()))
