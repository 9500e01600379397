"""The consistency state of a request: whether it may read a replica, and the WAL position that the replica must have replayed.

Read-your-writes and monotonic reads, for the length of a request. Without one (a job, a task of the server's own) everything is read at the
primary. Knows neither HTTP nor accounts: a name will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_SHAPE = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(slots=True)
class ReadSession:
    """Consistency state, updated as its request proceeds.

    `stale_reads_ok`: the request only reads. `min_position`: WAL position that a replica must have replayed. `name`: the requester, whose
    earlier writes count; None before authentication. `writes_included`: those writes are in `min_position`. `at_primary`: later reads go
    to the primary, or they could go back in time. `used_primary`: the request may have written, so its answer waits for the position of
    its writes.
    """

    stale_reads_ok: bool
    min_position: int = 0
    name: str | None = None
    writes_included: bool = False
    at_primary: bool = False
    used_primary: bool = False

    def mark_at_primary(self) -> None:
        """Note a transaction at the primary. Ignored before authentication: no requester is known yet."""
        if self.name is not None:
            self.at_primary = self.used_primary = True


_current: ContextVar[ReadSession | None] = ContextVar("read_session", default=None)


@contextmanager
def reading_within(reading: ReadSession) -> Iterator[None]:
    """Set the request's state for the block and for tasks started in it."""
    token = _current.set(reading)
    try:
        yield
    finally:
        _current.reset(token)


def current_reading() -> ReadSession | None:
    return _current.get()


def require_primary_reads() -> None:
    """Send the request's further reads to the primary: their result is cached for others, who may have written since."""
    if (reading := _current.get()) is not None:
        reading.at_primary = True


def identify(name: str) -> None:
    """Record the authenticated requester's name."""
    if (reading := _current.get()) is not None:
        reading.name = name


def format_lsn(position: int) -> str:
    """Format a WAL position as PostgreSQL does: 16/B374D848."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def position_in(text: str) -> int | None:
    """Parse a WAL position; None if it is malformed."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else int(found[1], 16) << 32 | int(found[2], 16)
