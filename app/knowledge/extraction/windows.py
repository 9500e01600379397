"""Chooses the statements around a chosen one that belong to its item: a short message whole, of a long one the section."""

from __future__ import annotations

from collections.abc import Sequence, Set

from app.knowledge.extraction.noise import is_dangling
from app.knowledge.extraction.prose import Statement

MAX_TEXT = 600
Place = tuple[str, int]


def place_of(said: Statement) -> Place:
    return said.event.id, said.place


def window(core: Statement, context: Sequence[Statement], taken: Set[Place]) -> list[Statement]:
    """Return the statement and its neighbours in order, MAX_TEXT characters at most: first what it refers back to, then its section."""
    at = next(place for place, each in enumerate(context) if each.place == core.place)
    first = last = at
    size = len(core.text)

    def fits(place: int, *, section: bool) -> bool:
        if not 0 <= place < len(context) or place_of(context[place]) in taken:
            return False
        return size + len(context[place].text) + 2 <= MAX_TEXT and (not section or context[place].heading == core.heading)

    if is_dangling(core.text) and fits(at - 1, section=True):
        first -= 1
        size += len(context[first].text) + 2
    for section in (True, False):
        while fits(last + 1, section=section):
            last += 1
            size += len(context[last].text) + 2
        while fits(first - 1, section=section):
            first -= 1
            size += len(context[first].text) + 2
    return _trimmed(list(context[first : last + 1]), core)


def _trimmed(group: list[Statement], core: Statement) -> list[Statement]:
    """Drop a trailing opening that introduces nothing any more, and leading sentences that refer to text left out."""
    while group[-1] is not core and group[-1].text.rstrip().endswith((":", "：")):
        group.pop()
    while len(group) > 1 and group[0].place != core.place and is_dangling(group[0].text):
        group.pop(0)
    return group


def joined(group: Sequence[Statement]) -> str:
    """Join statements into one text, in order."""
    text = ""
    for each in group:
        if text and not text.endswith((".", "。", "!", "！", ";", "；", ":", "：", "?", ",")):
            text += ";"
        text += f" {each.text}" if text else each.text
    return text


def excerpt_of(group: Sequence[Statement], core: Statement, max_chars: int) -> str:
    """Quote the message verbatim, `max_chars` characters at most: the whole group if it holds the statement, else from the statement on."""
    said = core.event.text
    for first in (group[0], core):
        start = said.find(first.raw)
        inside = said.find(core.raw, max(0, start))
        end = said.find(group[-1].raw, inside) + len(group[-1].raw) if inside >= 0 else -1
        if 0 <= start < end and inside + len(core.raw) <= start + max_chars:
            return said[start : min(end, start + max_chars)]
    return core.raw[:max_chars]
