"""A followed file: how far it is sent, and which piece of it goes next. Reads files, sends nothing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass

from app.cli.watch.contents import Contents, contents_ahead

RESUMED = frozenset({"claude-code", "codex"})
"""Formats that the server reads on where a file ended; of others it is sent the whole file."""
PIECE_BYTES = 256 * 1024
TAIL_BYTES = 64
REST_SECONDS = 600.0
"""A file is at its end when it has not grown for this long: what its reader still holds back is journalled then."""
ASIDE_SECONDS, MAX_ASIDE_SECONDS = 30.0, 3600.0
"""A file that the server fails at, or never reads on, is left alone for so long at first and at most."""
NOTHING = Contents()
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
    """A file, and how far the server has read it. Of the tens of thousands that rest, each is small.

    `stopped`: why it is left alone until it changes; `size`, `modified`: as last seen, -1: never; `scan`: the last one that found it.
    `left`: the size at which it is no more than history, which the user doesn't want sent; -1: none.
    `ahead`: what was read ahead where a piece may be a part of its record; `looked_at`: how far, or at what size and time of the file.
    `furthest`: how far it was ever read; `failures`: how often it was set aside since; `not_before`: until when it is.
    `told_resumed`: whether the server reads it on where it ended, once it said so; until then the format's and the name's guess.
    """

    path: str
    format: str
    offset: int = 0
    tail: str = ""
    ended: bool = False
    inode: int | None = None
    size: int = -1
    modified: int = -1
    scan: int = 0
    changed: float = 0.0
    stopped: str | None = None
    restarts: int = 0
    left: int = -1
    furthest: int = 0
    failures: int = 0
    not_before: float = 0.0
    directories: tuple[str, ...] = ()
    ahead: Contents = NOTHING
    looked_at: tuple[int, int] = (0, 0)
    told_resumed: bool | None = None

    @property
    def source(self) -> str:
        return source_of(self.path)

    @property
    def resumed(self) -> bool:
        if self.told_resumed is not None:
            return self.told_resumed
        return self.format in RESUMED or (self.format == "auto" and self.path.lower().endswith((".jsonl", ".ndjson")))

    def look(self, found: os.stat_result, moment: float) -> bool:
        """Note the file's size and time; tell whether there may be something to send. `moment`: of a clock that isn't set."""
        now = (found.st_size, found.st_mtime_ns)
        if now != (self.size, self.modified) or (self.inode is not None and self.inode != found.st_ino):
            (self.size, self.modified), self.changed, self.stopped = now, moment, None
        if moment < self.not_before or (self.offset == 0 and found.st_size == self.left):
            return False
        if self.not_before:
            self.not_before, self.stopped = 0.0, None
        return self.stopped is None and not (self.ended and self.offset == found.st_size and self.inode in {None, found.st_ino})

    def next_piece(self, moment: float, wall: float) -> Piece | None:
        """Read what goes next; None: nothing yet. Begins anew where the file was cut, replaced or written anew. Raises OSError."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - tens of thousands of paths
            found = os.fstat(file.fileno())
            if (before := self._before(file.fileno(), found)) is None or (self.ended and not self.resumed and found.st_size > self.offset):
                self.begin_anew()
                before, self.furthest = b"", 0
            self.inode = found.st_ino
            os.lseek(file.fileno(), self.offset, os.SEEK_SET)
            data = os.read(file.fileno(), PIECE_BYTES)[: max(0, found.st_size - self.offset)]
            rested = max(moment - self.changed, wall - found.st_mtime)
            end = self.offset + len(data) >= found.st_size and (not self.resumed or rested >= REST_SECONDS)
            ready = self._whole_lines(file.fileno(), data, end=end) if self.resumed else self._rested(file.fileno(), data, found, rested)
        if ready is None or self.offset + len(ready) == 0 or (not ready and (self.ended or not end)):
            return None
        return Piece(ready, self.offset, end, found.st_mtime, tail_of(before + ready))

    def _whole_lines(self, descriptor: int, data: bytes, *, end: bool) -> bytes | None:
        """Return the whole lines of what was read, or a part of a line that was looked through to its end; None: that has not come yet."""
        cut = data.rfind(b"\n") + 1
        if end:
            return data if is_json(data[cut:]) else data[:cut]
        if cut or not data:
            return data[:cut]
        if self.offset + len(data) > self.looked_at[0]:
            ahead, line_end = contents_ahead(descriptor, self.offset, line=True, format=self.format)
            if line_end is None:
                return None
            self.ahead, self.looked_at = ahead, (line_end, 0)
        return data

    def _rested(self, descriptor: int, data: bytes, found: os.stat_result, rested: float) -> bytes | None:
        """Return what was read of a file that is sent whole, once all of it is looked through; None: it is still being written."""
        if rested < WHOLE_AFTER + found.st_size / WHOLE_BYTES_PER_SECOND:
            return None
        now = (found.st_size, found.st_mtime_ns)
        if self.looked_at != now:
            ahead, _ = contents_ahead(descriptor, 0, line=False, format=self.format)
            after = os.fstat(descriptor)
            if (after.st_size, after.st_mtime_ns) != now:
                return None
            self.ahead, self.looked_at = ahead, now
        return data

    def begin_anew(self) -> None:
        self.offset, self.tail, self.ended, self.directories = 0, "", False, ()
        self.ahead, self.looked_at = NOTHING, (0, 0)

    def sent(self, piece: Piece, offset: int) -> None:
        """Note the server's answer: from where to go on. Where it isn't the piece's end, the file is sent from its beginning."""
        if offset == piece.offset + len(piece.data):
            self.offset, self.tail, self.ended = offset, piece.tail, piece.end
            if offset > self.furthest:
                self.furthest, self.restarts, self.failures = offset, 0, 0
        else:
            self.begin_anew()
            self.restarts += 1

    def set_aside(self, reason: str, moment: float) -> float:
        """Leave the file alone for a while, twice as long each time; return until when."""
        self.not_before = moment + min(MAX_ASIDE_SECONDS, ASIDE_SECONDS * 2**self.failures)
        self.failures, self.restarts, self.stopped = self.failures + 1, 0, reason
        return self.not_before

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


def is_json(data: bytes) -> bool:
    """Tell whether a line without its end is a whole record."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def tail_of(data: bytes) -> str:
    """Hash the last TAIL_BYTES, as the server does: the list of followed files has it."""
    return hashlib.sha256(data[-TAIL_BYTES:]).hexdigest()[:16]


def source_of(path: str) -> str:
    """Return the file's name for the server: a hash of the machine and the path, which says neither."""
    return hashlib.sha256(f"{platform.node()}\x1f{path}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
