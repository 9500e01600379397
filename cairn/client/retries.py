"""Decides whether and when a failed request is sent again. Knows no HTTP client."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cairn.client.errors import CairnError, ConnectionLost, RateLimited, Refused, TimedOut, Unreachable, UnreadableReply

PASSING = frozenset({502, 503, 504})
IN_PROGRESS = "idempotency_in_progress"
"""The code of a 409 for a request whose first attempt is still carried out."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of retrying: the number of retries, and seconds. A server that asks for more than `max_wait` is not waited for."""

    retries: int = 2
    first_wait: float = 0.25
    max_wait: float = 30.0

    def wait(self, done: int, error: CairnError, *, repeatable: bool, once: bool = False) -> float | None:
        """Return the seconds to wait before the next attempt, after `done` retries; None: raise the error.

        `repeatable`: sending the request twice does no more than sending it once. `once`: its content can't be read a second time.
        """
        if done >= self.retries or not _worth_it(error, repeatable=repeatable, once=once):
            return None
        backoff: float = self.first_wait * 2.0**done * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients in time, hides nothing
        asked = error.retry_after
        if asked is not None and asked > self.max_wait:
            return None
        return min(max(backoff, asked or 0.0), self.max_wait)


def _worth_it(error: CairnError, *, repeatable: bool, once: bool) -> bool:
    if isinstance(error, Refused) and not error.may_retry:
        return False
    if isinstance(error, Unreachable):
        return True  # nothing was sent
    if once:
        return False  # the content has been read: the next attempt would send none
    if isinstance(error, RateLimited) or (error.code == IN_PROGRESS and error.retry_after is not None):
        return True  # nothing was done, or it was done by an attempt whose reply was lost
    if isinstance(error, TimedOut | ConnectionLost):
        return repeatable
    return repeatable and isinstance(error, Refused | UnreadableReply) and error.status in PASSING  # a 503 may come after the change
