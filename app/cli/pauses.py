"""Knows when capture was paused on this machine: now, and formerly. Standard library only: a hook reads it at every event."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.cli.machine import state_folder, write_private
from app.errors import ConfigurationError

PAUSE_FILE, FORMER_FILE = "paused", "former-pauses"
MAX_FORMER = 1000


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of capture on this machine: since when, and until when (seconds since the epoch); None: until it is ended."""

    since: float
    until: float | None

    def covers(self, moment: float) -> bool:
        """Tell whether the pause holds. A clock that was set back doesn't end it."""
        return self.until is None or moment < self.until

    def held(self, moment: float) -> bool:
        """Tell whether a moment lies within it."""
        return self.since <= moment and self.covers(moment)


DAMAGED = Pause(0.0, None)
"""The pause of a file that can't be read or understood. Until it can be, nothing is sent, and nothing is said to be of a pause."""


def read_pause(moment: float | None = None) -> Pause | None:
    """Return the pause in force; DAMAGED: its file can't be read or understood."""
    pause = _last()
    return pause if pause is not None and pause.covers(time.time() if moment is None else moment) else None


def read_pauses() -> Sequence[Pause]:
    """Return all pauses of which it is known when they were, the former ones first."""
    last = _last()
    return (*_former(), *([last] if last is not None and last != DAMAGED else ()))


def write_pause(pause: Pause | None) -> None:
    """Begin a pause, or end it; the one before is remembered. Raises ConfigurationError where the state folder can't be written."""
    path = state_folder() / PAUSE_FILE
    try:
        if (last := _last()) is not None and last != DAMAGED:
            now = time.time()
            ended = Pause(last.since, now if last.until is None else min(now, last.until))
            lines = [f"{each.since} {each.until}\n" for each in [*_former(), ended][-MAX_FORMER:]]
            write_private(state_folder() / FORMER_FILE, "".join(lines))
        if pause is None:
            path.unlink(missing_ok=True)
        else:
            write_private(path, f"{pause.since} {'' if pause.until is None else pause.until}\n")
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be written ({error.strerror}). Change the owner or permissions of its folder, then try again."
        ) from error


def _last() -> Pause | None:
    try:
        return _parsed((state_folder() / PAUSE_FILE).read_text("utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        return DAMAGED


def _former() -> Iterator[Pause]:
    """Yield the pauses that were ended; a line that can't be understood is none."""
    try:
        lines = (state_folder() / FORMER_FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield _parsed(line)
        except ValueError:
            continue


def _parsed(line: str) -> Pause:
    since, _, until = line.partition(" ")
    return Pause(float(since), float(until) if until else None)
