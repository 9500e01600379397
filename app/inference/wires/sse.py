"""Parse server-sent events from bytes, however they are split. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.inference.provider_errors import malformed

MAX_EVENT_BYTES = 16 * 2**20


class Events:
    """An incremental parser: feed it bytes, it yields each event's `data`. Comments, other fields and empty events are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise malformed(f"its stream has an event larger than {MAX_EVENT_BYTES:,} bytes")
        for each in lines:
            line = each.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield self._take_event()
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._bytes += len(line)
                if self._bytes > MAX_EVENT_BYTES:
                    raise malformed(f"its stream has an event larger than {MAX_EVENT_BYTES:,} bytes")

    def end(self) -> Iterator[bytes]:
        """Yield a last event without its empty line: some servers omit it."""
        if self._rest.startswith(b"data:"):
            yield from self.feed(b"\n")
        if self._data:
            yield self._take_event()

    def _take_event(self) -> bytes:
        data, self._data, self._bytes = b"\n".join(self._data), [], 0
        return data
