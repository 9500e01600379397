"""Classifies an engine's failure: a damaged index, a machine fault (disk, memory), or a bad request. Pure."""

from __future__ import annotations

import signal
from typing import Literal

CANT_OPEN, FAILED, NOT_NOW = 65, 70, 75
"""Exit statuses of the engine's process, as in sysexits.h: index can't be opened; failed at work; resources lacking."""

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
"""SIGKILL, as sent by the OOM killer. While an index is opened it counts as damage: a damaged one may demand any amount of memory."""


def failure_of(error: BaseException) -> Failure:
    """Classify an error at work. The engine raises plain `Exception`s with a text, or Rust panics, which are not `Exception`s."""
    words = str(error)
    if any(each in words for each in _MACHINE):
        return "machine"
    if not isinstance(error, Exception):
        return "damage"
    if type(error) is not Exception or any(each in words for each in _REQUEST):
        return "request"
    return "damage"


def opening_failure_of(error: BaseException) -> Failure:
    """Classify an error while opening an index: without a request, anything but a machine fault is damage."""
    return "machine" if failure_of(error) == "machine" else "damage"


def is_crash(status: int) -> bool:
    """Tell whether the exit status of a process that had answered is a crash, not an external SIGTERM or SIGKILL."""
    return status in _CRASHES or status == FAILED


MAX_DEATHS, DEATHS_SECONDS = 3, 600.0
"""This many crashes within this time mean that the index kills its engine."""
MAX_RENEWALS, RENEWALS_SECONDS = 3, 3600.0
"""After this many new indexes within this time the cause is not the index: a failing disk, or an item that crashes the engine."""


class CrashHistory:
    """The crashes of a live engine and the renewals of its index. `now`: seconds of any one clock."""

    def __init__(self) -> None:
        self._deaths: list[float] = []
        self._renewals: list[float] = []

    def died(self, status: int, *, answered: bool, now: float) -> str:
        """Record an exit; return the reason to renew the index, or "" if there is none (yet). `answered`: it had opened its index."""
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
        """Forget the crashes: a rebuilt index is live."""
        self._deaths.clear()
