"""Where one request reads: whether a moment old will do, how fresh it must be nevertheless, and what it has read so far.

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
    """Changed as its request goes on.

    `old_will_do`: it changes nothing. `needed`: a replica must have replayed this much. `name`: whose earlier writes count; None until a
    key was shown. `recalled`: those are in `needed`. `at_primary`: what it reads from now on, it reads there, else it would go back in
    time. `met_primary`: it may have written, so its answer waits for the position that its writes reach.
    """

    old_will_do: bool
    needed: int = 0
    name: str | None = None
    recalled: bool = False
    at_primary: bool = False
    met_primary: bool = False

    def meets_primary(self) -> None:
        """Before a key was shown there is nobody whose writes they could be."""
        if self.name is not None:
            self.at_primary = self.met_primary = True


_current: ContextVar[ReadSession | None] = ContextVar("read_session", default=None)


@contextmanager
def reading_within(reading: ReadSession) -> Iterator[None]:
    """For the length of the block, and for the tasks begun in it."""
    token = _current.set(reading)
    try:
        yield
    finally:
        _current.reset(token)


def current_reading() -> ReadSession | None:
    return _current.get()


def read_newest() -> None:
    """What this request reads from here on is kept for others, who may have written since: no replica is asked for it."""
    if (reading := _current.get()) is not None:
        reading.at_primary = True


def identify(name: str) -> None:
    """A key was shown: this is whose request it is."""
    if (reading := _current.get()) is not None:
        reading.name = name


def spelled(position: int) -> str:
    """A place in the write-ahead log as PostgreSQL writes it: 16/B374D848."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def position_in(text: str) -> int | None:
    """None: that is no position."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else int(found[1], 16) << 32 | int(found[2], 16)
