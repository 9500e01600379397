"""What a handler's exception means for its job: the code and message to keep, and whether another attempt may mend it."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from pathlib import Path

from app.errors import CairnError, InvalidInput, NotFound, TooLarge, Unavailable, Unreadable
from app.settings import Worker as WorkerSettings

FINAL = (InvalidInput, NotFound, TooLarge, Unreadable)
"""What another attempt can't mend."""
_OURS = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, slots=True)
class Failure:
    """`retryable`: another attempt may mend it. `away`: a part it needs is away, which says nothing about the job itself."""

    code: str
    message: str
    retryable: bool = True
    away: bool = False


def failure_of(error: BaseException, *, what: str = "The job") -> Failure:
    """Our own errors speak for themselves. Of any other only the type is kept: its text may quote what the job worked on."""
    if isinstance(error, CairnError):
        return Failure(error.code, error.message, retryable=not isinstance(error, FINAL), away=isinstance(error, Unavailable))
    return Failure("internal_error", f"{what} failed with {type(error).__name__}. See the worker's log.")


def places(error: BaseException) -> list[str]:
    """Our own innermost frames, then the one that raised: what a log may say of an error whose text may quote what was worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_OURS)][-5:]
    found = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in [*ours, *frames[-1:]]]
    return list(dict.fromkeys(found))


def cause_of(error: BaseException) -> BaseException:
    """What a group, of a handler's TaskGroup, was raised for: the first that isn't a part's absence, since waiting mends that alone."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause_of(each) for each in error.exceptions]
    return next((each for each in causes if not isinstance(each, Unavailable)), causes[0])


def backoff_seconds(attempts: int, settings: WorkerSettings) -> float:
    """Doubles with each attempt, up to a bound; with jitter, so that a crowd that failed together doesn't come back together."""
    return _jittered(settings.backoff_seconds * 2.0 ** min(attempts - 1, 60), settings)


def away_seconds(waited: float, settings: WorkerSettings) -> float:
    """While a part is away: a quarter of the time that the job has waited already, so an outage of any length ends the wait soon."""
    return _jittered(max(settings.backoff_seconds, waited / 4), settings)


def _jittered(most: float, settings: WorkerSettings) -> float:
    return min(most, settings.backoff_max_seconds) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
