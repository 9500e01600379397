"""What can go wrong, by name, and the queue of what shall. Knows nothing of how a fault looks on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, Literal, TypeGuard, get_args

RefusalName = Literal[
    "bad_request",
    "content_policy",
    "context_too_long",
    "401",
    "402",
    "403",
    "404",
    "429",
    "insufficient_quota",
    "500",
    "502",
    "503",
    "504",
    "529",
]
"""Answered with an error status and the provider's own error body."""

FaultName = Literal[
    RefusalName,
    # instead of an answer
    "reset",
    "close",
    "html",
    "error_200",
    # before it
    "slow_headers",
    "silent",
    "comments_only",
    # after `after_tokens` of a stream, at the middle of a body in one piece (`reset` too, with `after_tokens`)
    "stall",
    "cut",
    "eof",
    "error_in_stream",
    "malformed",
    # in what it says (`content_filter`, `split_character` and `half_character` after `after_tokens`)
    "empty_choices",
    "empty_stream",
    "no_usage",
    "content_filter",
    "wrong_model",
    "empty_answer",
    "blank_finish",
    "split_character",
    "half_character",
    "unstreamed",
    # after it
    "short_body",
    "close_idle",
]

REFUSALS: Final[tuple[RefusalName, ...]] = get_args(RefusalName)
NAMES: Final[tuple[FaultName, ...]] = get_args(FaultName)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned fault. `times` None: until cleared. `seconds` None: for ever. `match`: only requests for this model."""

    fault: FaultName
    times: int | None = 1
    after_tokens: int = 0
    retry_after: float | str | None = None
    seconds: float | None = None
    match: str | None = None

    @property
    def retry_after_header(self) -> str | None:
        return f"{self.retry_after:g}" if isinstance(self.retry_after, int | float) else self.retry_after


def refuses(fault: FaultName | None) -> TypeGuard[RefusalName]:
    return fault in REFUSALS


class Faults:
    """Planned faults in the order planned: each request takes the first that fits it."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        if fault.fault not in NAMES:
            raise ValueError(f"no fault is called {fault.fault!r}: take one of {', '.join(NAMES)}")
        self._planned.append(fault)

    def take(self, model: str) -> Fault | None:
        for at, fault in enumerate(self._planned):
            if fault.match is not None and fault.match != model:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._planned[at]
            return fault
        return None

    def clear(self) -> None:
        self._planned.clear()


def http_date(when: datetime) -> str:
    """A moment as HTTP writes it: the other form of `retry-after`."""
    return format_datetime(when.astimezone(UTC), usegmt=True)
