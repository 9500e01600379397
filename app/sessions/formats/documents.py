"""Reads one JSON document's messages as a stream, however long it is. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator

import ijson

from app.nesting import too_deep
from app.sessions.formats.tally import ParseTally

Record = dict[str, object]


def items(source: DocumentReader, prefix: str, tally: ParseTally) -> Iterator[tuple[str, Record]]:
    """Yield (locator, message) of a document's messages, one by one; `prefix`: ijson's path to them."""
    number = 0
    try:
        for number, item in enumerate(ijson.items(source, prefix, use_float=True), start=1):
            tally.lines = number
            source.unread = 0
            if too_deep(item):
                tally.skip("nested too deeply", f"[{number - 1}]")
            elif isinstance(item, dict):
                yield f"{prefix.removesuffix('.item')}[{number - 1}]", item
            else:
                tally.skip("not a JSON object", f"[{number - 1}]")
    except _TooLong:
        tally.skip("a message is too long: the rest is not read", f"[{number}]")
    except (ijson.JSONError, UnicodeDecodeError, ValueError):
        tally.skip("the JSON ends or breaks here", f"[{number}]")


class _TooLong(Exception):
    """One message is longer than `max_line_bytes`."""


class DocumentReader:
    """Adapts an iterator of texts to the file that ijson reads. `unread`: bytes since the last complete message, held by ijson."""

    def __init__(self, texts: Iterator[str], max_bytes: int) -> None:
        self._texts = texts
        self._max_bytes = max_bytes
        self._held = b""
        self.unread = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._held) < size and (text := next(self._texts, None)) is not None:
            self._held += text.encode("utf-8", "replace")
        given, self._held = self._held[:size], self._held[size:]
        self.unread += len(given)
        if self.unread > self._max_bytes:
            raise _TooLong
        return given
