"""One JSON document, read part by part with bounded memory. Kept in a temporary file: its facts may stand after its messages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import ijson
from ijson.common import ObjectBuilder

from app.nesting import MAX_DEPTH
from app.sessions.formats.lines import decoded
from app.sessions.formats.tally import ParseTally

Path = tuple[str, ...]
EACH = "[]"
"""In a path: each element of a list."""
IN_MEMORY = 2**20
"""A smaller document is never written to disk."""
DEEPEST = 10_000
"""Levels at which the reading ends, as nothing else bounds the memory that they take."""
_OPENS, _CLOSES = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
_NO_SCALAR, _NO_START, _NO_END = _OPENS | _CLOSES | {"map_key"}, _CLOSES | {"map_key"}, _OPENS | {"map_key"}
_EVENT_WEIGHT = 16


class _Unreadable(Exception):
    """The rest of a document can't be read; says why."""


@dataclass(slots=True)
class _Item:
    """A part under construction. `builder` None: it is too long or nested too deeply, and dropped."""

    builder: Any
    depth: int
    weight: int = 0


class JsonDocument:
    """A document that can be read more than once; a context manager, which deletes it."""

    def __init__(self, chunks: Iterable[bytes], tally: ParseTally, *, max_bytes: int) -> None:
        self._tally = tally
        self._max_bytes = max_bytes
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        for text in decoded(iter(chunks)):
            self._file.write(text.encode("utf-8", "replace"))

    def __enter__(self) -> JsonDocument:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def facts(self, *paths: Path) -> dict[Path, object]:
        """Return the scalars at these paths, as far as the document can be read; the first of each."""
        found: dict[Path, object] = {}
        lengths = {len(path) for path in paths}
        with suppress(_Unreadable):  # `items` counts it
            for path, event, value in self._events():
                if event not in _NO_SCALAR and len(path) in lengths and (place := tuple(path)) in paths:
                    found.setdefault(place, value)
        return found

    def items(self, *wanted: str) -> Iterator[tuple[str, object]]:
        """Yield each part at this path with its locator, such as `messages[3]`. Damage is counted, and ends the reading."""
        number, name, place = 0, ".".join(each for each in wanted if each != EACH), list(wanted)
        item: _Item | None = None
        try:
            for path, event, value in self._events():
                if item is None and path == place and event not in _NO_START:
                    number += 1
                    item = _Item(ObjectBuilder(), len(path))
                if item is None:
                    continue
                self._add(item, path, event, value, f"{name}[{number - 1}]")
                if len(path) == item.depth and event not in _NO_END:
                    self._tally.lines = number
                    if item.builder is not None:
                        yield f"{name}[{number - 1}]", item.builder.value
                    item = None
        except _Unreadable as why:
            self._tally.skip(str(why), f"{name}[{number}]")

    def _add(self, item: _Item, path: list[str], event: str, value: object, locator: str) -> None:
        item.weight += _EVENT_WEIGHT + (len(value) if isinstance(value, str) else 0)
        if item.builder is None:
            return
        if item.weight > self._max_bytes or len(path) - item.depth > MAX_DEPTH:
            self._tally.skip("a message is too long" if item.weight > self._max_bytes else "nested too deeply", locator)
            item.builder = None
        else:
            item.builder.event(event, value)

    def _events(self) -> Iterator[tuple[list[str], str, Any]]:
        """Yield (path, event, value); the path is the reader's own, and changes. A container's two events have the container's path."""
        self._file.seek(0)
        source = _Source(self._file, self._max_bytes)
        path: list[str] = []
        try:
            for event, value in ijson.basic_parse(source, use_float=True):
                source.unread = 0
                if event in _CLOSES:
                    path.pop()
                elif event == "map_key":
                    path[-1] = value
                yield path, event, value
                if event in _OPENS:
                    path.append(EACH)
                    if len(path) > DEEPEST:
                        raise _Unreadable("nested too deeply: the rest is not read")
        except (ijson.JSONError, ValueError, OverflowError):
            raise _Unreadable("the JSON ends or breaks here") from None


class _Source:
    """The document as the file that ijson reads. `unread`: bytes since its last event, which it holds."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.unread = 0

    def read(self, size: int = -1) -> bytes:
        given = self._file.read(size)
        self.unread += len(given)
        if self.unread > self._max_bytes + 2 * 65536:
            raise _Unreadable("a message is too long: the rest is not read")
        return given
