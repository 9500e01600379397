"""Reads of a transcript what decides whether it may leave the machine: the folders that records name, and whether any is of a pause."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.cli.pauses import Pause, read_pauses
from app.cli.watch.directories import directories_in

CHUNK_BYTES, OVERLAP_BYTES = 256 * 1024, 16 * 1024
"""Bytes that are searched at a time, and those searched again with the next: a folder's name is shorter."""
MAX_PARSED_BYTES = 64 * 2**20
"""Length up to which records are parsed: of longer ones any member with a time's name counts, wherever it stands."""
TIMES = (
    *("timestamp", "time", "ts", "date", "created", "created_at", "createdAt", "updated", "updated_at", "updatedAt", "lastUpdated"),
    *("startTime", "start_time", "sentAt", "start", "end", "completed"),
)
"""Names under which agents' records tell when they were written."""
PARTS = frozenset({"messages", "requests", "history", "events", "parts", "info", "meta", "metadata", "usage", "time", "v", "$set"})
"""Members of a record or document that hold records, or tell of itself: what a tool was given or gave is none of them."""
MAX_DEPTH = 6
MARKDOWN = frozenset({"specstory", "aider"})
"""Formats whose text holds a time as JSON only where it quotes one."""
_TIME = re.compile(
    rb'(?<!\\)"(?:'
    + "|".join(TIMES).encode()
    + rb')"\s*+:\s*+(?:"(\d{4}-\d\d-\d\dT\d\d:\d\d[^"\\]{0,20})"|(\d{10,13}(?:\.\d{1,9})?)(?=[,}\s]))'
)


@dataclass(frozen=True, slots=True)
class Contents:
    """The folders that records name, in order, each once; `paused`: a record was written during a pause."""

    directories: tuple[str, ...] = ()
    paused: bool = False

    def __add__(self, other: Contents) -> Contents:
        return Contents(tuple(dict.fromkeys((*self.directories, *other.directories))), self.paused or other.paused)


def contents_of(data: bytes, format: str) -> Contents:  # noqa: A002 - the contract's word
    """Read whole records, or a part of one that `contents_ahead` read to its end."""
    paused = format not in MARKDOWN and written_in(read_pauses(), data)
    return Contents(tuple(directories_in(data, format)), paused)


def written_in(pauses: Sequence[Pause], data: bytes, *, whole: bool = False) -> bool:
    """Tell whether a record was written during a pause, by its own time. `whole`: a line that is no JSON counts by the names in it."""
    if not _named_in(pauses, data):
        return False
    try:
        return _own_time_in(pauses, json.loads(data))
    except (ValueError, RecursionError):
        return any(_line_written_in(pauses, line, whole=whole) for line in data.split(b"\n"))


def contents_ahead(descriptor: int, start: int, *, line: bool, format: str) -> tuple[Contents, int | None]:  # noqa: A002
    """Read from `start` on to the end of its line, or of the file; return that end, too; None: the line has none yet."""
    pauses = () if format in MARKDOWN else read_pauses()
    found = Contents()
    at, kept, end = start, b"", 0
    os.lseek(descriptor, start, os.SEEK_SET)
    while not end and (data := os.read(descriptor, CHUNK_BYTES)):
        end = data.find(b"\n") + 1 if line else 0
        text = kept + (data[:end] if end else data)
        found += Contents(tuple(directories_in(text, format)), _named_in(pauses, text))
        at, kept = at + (end or len(data)), text[-OVERLAP_BYTES:]
    if found.paused and at - start <= MAX_PARSED_BYTES:
        found = replace(found, paused=written_in(pauses, _read(descriptor, start, at), whole=True))
    return found, None if line and not end else at


def _read(descriptor: int, start: int, end: int) -> bytes:
    os.lseek(descriptor, start, os.SEEK_SET)
    pieces = []
    while start < end and (data := os.read(descriptor, end - start)):
        pieces.append(data)
        start += len(data)
    return b"".join(pieces)


def _line_written_in(pauses: Sequence[Pause], line: bytes, *, whole: bool) -> bool:
    if not _named_in(pauses, line):
        return False
    try:
        return _own_time_in(pauses, json.loads(line))
    except (ValueError, RecursionError):
        return whole


def _named_in(pauses: Sequence[Pause], data: bytes) -> bool:
    """Tell whether anything with a time's name is of a pause. What a text quotes has backslashes."""
    return bool(pauses) and any(
        _held(pauses, _moment(written.decode("ascii", "replace") or float(number))) for written, number in _TIME.findall(data)
    )


def _own_time_in(pauses: Sequence[Pause], record: object) -> bool:
    return any(_held(pauses, _moment(value)) for value in _own_times(record, 0))


def _own_times(record: object, depth: int) -> Iterator[object]:
    """Yield the values that tell when a record, or one of the records of a document, was written."""
    if depth > MAX_DEPTH:
        return
    if isinstance(record, list):
        for each in record:
            yield from _own_times(each, depth + 1)
    elif isinstance(record, Mapping):
        for name, value in record.items():
            if isinstance(value, list | Mapping):
                if name in PARTS:
                    yield from _own_times(value, depth + 1)
            elif name in TIMES:
                yield value


def _held(pauses: Sequence[Pause], moment: float | None) -> bool:
    return moment is not None and any(pause.held(moment) for pause in pauses)


def _moment(value: object) -> float | None:
    """Return a time in seconds since the epoch: ISO 8601 (UTC if without a zone), seconds or milliseconds; None: it is none."""
    if isinstance(value, int | float):
        return value / 1000 if value >= 10**11 else float(value)
    try:
        at = datetime.fromisoformat(str(value))
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
