"""Reads a transcript's beginning: whether it is one JSON document or JSON lines, and which session it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from app.sessions.formats.lines import SNIFF_BYTES, Line, encoding_of, loads
from app.sessions.formats.values import content_id

MAX_OPENING = 20
"""Records that are held for a session's identity."""
_RECORD = re.compile(r'\{"(?:type"\s*:|kind"\s*:\s*\d)')
"""Beginning of a record on a line of its own, however long: no document begins so."""
Opening = list[tuple[Line, dict[str, object]]]


def beginning(chunks: Iterator[bytes]) -> bytes:
    """Return the first bytes, enough to tell a format however the chunks are cut."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= SNIFF_BYTES:
            break
    return held


def is_one_document(first: bytes, *arrays: str) -> bool:
    """Tell whether a file is one JSON document, whose messages stand under one of these keys, not a record a line."""
    head = first.decode(encoding_of(first[:SNIFF_BYTES]), "replace").lstrip("\ufeff \t\r\n")
    line = head.split("\n", 1)[0]
    try:
        record = loads(line)
    except (ValueError, RecursionError):
        if _RECORD.match(line):
            return False
        return head.startswith("[") or len(line) == len(head) or line.strip() == "{" or _names(head, arrays)
    return isinstance(record, list) or (isinstance(record, dict) and any(isinstance(record.get(key), list) for key in arrays))


def _names(head: str, arrays: tuple[str, ...]) -> bool:
    return any(re.search(rf'"{key}"\s*:\s*\[', head) is not None for key in arrays)


def opening_of(records: Iterator[tuple[Line, dict[str, object]]], is_own: Callable[[dict[str, object]], bool]) -> Opening:
    """Take the first records, up to the one that tells a session from others that began alike. Few, so that it is found in a short file."""
    taken: Opening = []
    for each in records:
        taken.append(each)
        if is_own(each[1]) or len(taken) == MAX_OPENING:
            break
    return taken


def identity_of(opening: Opening) -> str:
    """Return the id of a session that names none: a hash of its opening."""
    return content_id(*(line.text[:2000] for line, _ in opening))
