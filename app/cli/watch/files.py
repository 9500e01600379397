"""A followed file: how far it is sent, and which piece of it goes next. Reads files, sends nothing."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass, field

RESUMED = frozenset({"claude-code", "codex"})
"""Formats that the server reads on where a file ended; of others it is sent the whole file."""
PIECE_BYTES = 256 * 1024
TAIL_BYTES = 64
REST_SECONDS = 600.0
"""A file is at its end when it has not grown for this long: what its reader still holds back is journalled then."""
WHOLE_AFTER, WHOLE_BYTES_PER_SECOND = 1.0, 500_000
"""A file that is sent whole rests this long first, and longer the larger it is."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to send from `offset` on. `end`: the file has no more so far. `tail`: hash of the last bytes up to its end."""

    data: bytes
    offset: int
    end: bool
    modified_at: float
    tail: str


@dataclass(slots=True)
class FollowedFile:
    """A file, and how far the server has read it. `stopped`: why it is left alone until it changes; `seen`: its last size and time.

    `told_resumed`: whether the server reads it on where it ended, once it said so; until then the format's and the name's guess.
    """

    path: str
    format: str
    source: str
    offset: int = 0
    tail: str = ""
    ended: bool = False
    inode: int | None = None
    seen: tuple[int, int] = (-1, -1)
    changed: float = 0.0
    stopped: str | None = None
    restarts: int = 0
    directories: list[str] = field(default_factory=list)
    told_resumed: bool | None = None

    @property
    def resumed(self) -> bool:
        if self.told_resumed is not None:
            return self.told_resumed
        return self.format in RESUMED or (self.format == "auto" and self.path.lower().endswith((".jsonl", ".ndjson")))

    def look(self, found: os.stat_result, moment: float) -> bool:
        """Note the file's size and time; tell whether there may be something to send. `moment`: of a clock that isn't set."""
        now = (found.st_size, found.st_mtime_ns)
        if now != self.seen or (self.inode is not None and self.inode != found.st_ino):
            self.seen, self.changed, self.stopped = now, moment, None
        return self.stopped is None and not (self.ended and self.offset == found.st_size and self.inode in {None, found.st_ino})

    def next_piece(self, moment: float, wall: float) -> Piece | None:
        """Read what goes next; None: nothing yet. Begins anew where the file was cut, replaced or written anew. Raises OSError."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - tens of thousands of paths
            found = os.fstat(file.fileno())
            if (before := self._before(file.fileno(), found)) is None or (self.ended and not self.resumed and found.st_size > self.offset):
                self.begin_anew()
                before = b""
            self.inode = found.st_ino
            os.lseek(file.fileno(), self.offset, os.SEEK_SET)
            data = os.read(file.fileno(), PIECE_BYTES)
        rested = max(moment - self.changed, wall - found.st_mtime)
        at_end = self.offset + len(data) >= found.st_size
        if self.resumed:
            end = at_end and rested >= REST_SECONDS
            if not end and len(data) < PIECE_BYTES:
                data = data[: data.rfind(b"\n") + 1]
        else:
            end = at_end
            if rested < WHOLE_AFTER + found.st_size / WHOLE_BYTES_PER_SECOND:
                return None
        if self.offset + len(data) == 0 or (not data and (self.ended or not end)):
            return None
        return Piece(data, self.offset, end, found.st_mtime, tail_of(before + data))

    def begin_anew(self) -> None:
        self.offset, self.tail, self.ended, self.directories = 0, "", False, []

    def sent(self, piece: Piece, offset: int) -> None:
        """Note the server's answer: from where to go on. Where it isn't the piece's end, the file is sent from its beginning."""
        if offset == piece.offset + len(piece.data):
            self.offset, self.tail, self.ended, self.restarts = offset, piece.tail, piece.end, 0
        else:
            self.begin_anew()
            self.restarts += 1

    def _before(self, descriptor: int, found: os.stat_result) -> bytes | None:
        """Read the last bytes before the offset; None: it is not the file that was sent."""
        if self.offset == 0:
            return b""
        if found.st_size < self.offset or (self.inode is not None and self.inode != found.st_ino):
            return None
        start = max(0, self.offset - TAIL_BYTES)
        os.lseek(descriptor, start, os.SEEK_SET)
        before = os.read(descriptor, self.offset - start)
        return before if tail_of(before) == self.tail else None


def tail_of(data: bytes) -> str:
    """Hash the last TAIL_BYTES, as the server does: the list of followed files has it."""
    return hashlib.sha256(data[-TAIL_BYTES:]).hexdigest()[:16]


def source_of(path: str) -> str:
    """Return the file's name for the server: a hash of the machine and the path, which says neither."""
    return hashlib.sha256(f"{platform.node()}\x1f{path}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
