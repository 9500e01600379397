"""What the failure of an engine says: is its index damaged, is it the machine's trouble, or only the request's? Pure."""

from __future__ import annotations

import signal
from typing import Literal

CANT_OPEN, FAILED, NOT_NOW = 65, 70, 75
"""Exit statuses of the engine's process, as in sysexits.h: it can't open its index; it failed at work; the machine lacks something."""

Failure = Literal["damage", "machine", "request"]

_MACHINE = (
    "WouldBlock",  # the lock of an engine that is still closing
    "No space left",
    "StorageFull",
    "Disk quota",
    "Too many open files",
    "Cannot allocate memory",
    "OutOfMemory",
    "Out of memory",
    "Read-only file system",
    "Resource temporarily unavailable",
)
_REQUEST = ("Wrong input", "Not existing vector name", "Vector dimension error", "Validation", "timeout")
_CRASHES = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS)
)

_BY_FORCE = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})
"""By the kernel where memory is short. A damaged index may ask for any amount while it is opened, so there it counts."""


def failure_of(error: BaseException) -> Failure:
    """Judge an error at work. The engine's own are plain `Exception`s with words, or Rust's panics, which are no `Exception` at all."""
    words = str(error)
    if any(each in words for each in _MACHINE):
        return "machine"
    if not isinstance(error, Exception):
        return "damage"
    if type(error) is not Exception or any(each in words for each in _REQUEST):
        return "request"
    return "damage"


def opening_failure_of(error: BaseException) -> Failure:
    """Judge an error while an index is opened: there is no request yet, and what is wrong with our own files beside it is damage too."""
    return "machine" if failure_of(error) == "machine" else "damage"


def is_crash(status: int) -> bool:
    """Tell whether a process that had answered ended of itself, and not because somebody ended it: a person, the kernel short of memory."""
    return status in _CRASHES or status == FAILED


MAX_DEATHS, DEATHS_SECONDS = 3, 600.0
"""An engine that dies so often within that time has something in its index that kills it."""
MAX_RENEWALS, RENEWALS_SECONDS = 3, 3600.0
"""What a new index does not mend is not the index: a disk that fails, an item that the engine can't take."""


class History:
    """The deaths of a live engine, and when its index was set aside: enough to tell damage from misfortune. `now` in seconds, any clock."""

    def __init__(self) -> None:
        self._deaths: list[float] = []
        self._renewals: list[float] = []

    def died(self, status: int, *, answered: bool, now: float) -> str:
        """Note a death; returns what it says against the index. Empty: nothing, or not enough yet. `answered`: it had opened its index."""
        if status == CANT_OPEN:
            return "it can't be opened: the server's log says why"
        if not (is_crash(status) or (not answered and status in _BY_FORCE)):
            return ""
        self._deaths = [each for each in self._deaths if each > now - DEATHS_SECONDS] + [now]
        if len(self._deaths) < MAX_DEATHS:
            return ""
        return f"its engine died {len(self._deaths)} times within {DEATHS_SECONDS / 60:g} minutes"

    def may_renew(self, now: float) -> bool:
        """Tell whether setting the index aside may still help."""
        self._renewals = [each for each in self._renewals if each > now - RENEWALS_SECONDS]
        return len(self._renewals) < MAX_RENEWALS

    def renewed(self, now: float) -> None:
        self._renewals.append(now)
        self._deaths.clear()

    def replaced(self) -> None:
        """A rebuilt index has taken its place."""
        self._deaths.clear()
