"""Translates a handler's exception into a job's failure: code, message, whether to retry, and the backoff."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from pathlib import Path

from app.errors import CairnError, InvalidInput, NotFound, NotPermitted, TooLarge, Unavailable, Unreadable
from app.settings import WorkerSettings

FINAL = (InvalidInput, NotFound, NotPermitted, TooLarge, Unreadable)
"""Errors that a retry cannot resolve."""
_OURS = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt. `retryable`: another may succeed. `unavailable`: a dependency was unavailable, so the attempt doesn't count."""

    code: str
    message: str
    retryable: bool = True
    unavailable: bool = False


def failure_of(error: BaseException, *, subject: str = "The job") -> Failure:
    """Build the failure of an error. Only our own errors' messages are kept; another's text may quote the job's data."""
    if isinstance(error, CairnError):
        return Failure(error.code, error.message, retryable=not isinstance(error, FINAL), unavailable=isinstance(error, Unavailable))
    return Failure("internal_error", f"{subject} failed with {type(error).__name__}. See the worker's log.")


def stack_frames(error: BaseException) -> list[str]:
    """Return our innermost stack frames and the raising one, for logging an error whose text may quote the job's data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_OURS)][-5:]
    found = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in [*ours, *frames[-1:]]]
    return list(dict.fromkeys(found))


def cause_of(error: BaseException) -> BaseException:
    """Return the decisive error of an exception group: the first that is not Unavailable, since only Unavailable resolves by waiting."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause_of(each) for each in error.exceptions]
    return next((each for each in causes if not isinstance(each, Unavailable)), causes[0])


def backoff_seconds(attempts: int, settings: WorkerSettings) -> float:
    """Return the exponential backoff in seconds, bounded, with jitter so that jobs that failed together don't retry together."""
    return _jittered(settings.backoff_seconds * 2.0 ** min(attempts - 1, 60), settings)


def outage_backoff_seconds(waited: float, settings: WorkerSettings) -> float:
    """Return the delay in seconds while a dependency is unavailable: a quarter of the time waited so far, with jitter."""
    return _jittered(max(settings.backoff_seconds, waited / 4), settings)


def _jittered(seconds: float, settings: WorkerSettings) -> float:
    return min(seconds, settings.backoff_max_seconds) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
