"""Server-sent events out of bytes, however they were cut on the way. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.inference.faults import malformed

MAX_EVENT_BYTES = 16 * 2**20


class Events:
    """Feed it bytes; it gives the `data` of each event. Comments, other fields and empty events are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise malformed("its stream holds an event without end")
        for each in lines:
            line = each.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield self._taken()
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._bytes += len(line)
                if self._bytes > MAX_EVENT_BYTES:
                    raise malformed("its stream holds an event without end")

    def end(self) -> Iterator[bytes]:
        """What stands at the end without its empty line: some servers forget it."""
        if self._rest.startswith(b"data:"):
            yield from self.feed(b"\n")
        if self._data:
            yield self._taken()

    def _taken(self) -> bytes:
        data, self._data, self._bytes = b"\n".join(self._data), [], 0
        return data
