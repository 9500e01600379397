"""The state machine of an alert: inactive → pending → firing → inactive. Pure: time is given.

Pending until the value was past the threshold for `for_seconds` without a break; firing until it was back past `clear` for `clear_seconds`.
Hysteresis: with a value between the threshold and `clear` a firing alert goes on firing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from app.alerts.series_rules import SeriesRule


@dataclass(frozen=True, slots=True)
class AlertState:
    """The state of an active alert. `since`: when the threshold was crossed (pending), or when it began to fire (firing).

    `quiet_since`: when a firing alert's value was back past `clear`; None while it isn't. `first`, `peak`: of a firing alert, the value
    when it began to fire and the one farthest past the threshold.
    """

    state: Literal["pending", "firing"]
    since: datetime
    value: float
    quiet_since: datetime | None = None
    first: float | None = None
    peak: float | None = None


def next_state(
    rule: SeriesRule, before: AlertState | None, value: float | None, now: datetime, *, after_gap: bool = False
) -> AlertState | None:
    """Return the state after a new value; None: inactive. `value` None: too few measurements, which counts as back past `clear`.

    `after_gap`: no server evaluated for a while, so a pending alert begins its duration anew; a firing one goes on.
    """
    breached = value is not None and rule.breached(value)
    if before is not None and before.state == "firing":
        return _firing(rule, before, value, now)
    if not breached:
        return None
    assert value is not None
    since = before.since if before is not None and not after_gap else now
    if now - since >= timedelta(seconds=rule.for_seconds):
        return AlertState("firing", now, value, first=value, peak=value)
    return AlertState("pending", since, value)


def _firing(rule: SeriesRule, before: AlertState, value: float | None, now: datetime) -> AlertState | None:
    if value is not None and not rule.quiet(value):
        peaks = [value, *([] if before.peak is None else [before.peak])]
        peak = max(peaks) if rule.above is not None else min(peaks)
        return replace(before, value=value, quiet_since=None, peak=peak)
    quiet_since = before.quiet_since or now
    if now - quiet_since >= timedelta(seconds=rule.clear_seconds):
        return None
    return replace(before, value=before.value if value is None else value, quiet_since=quiet_since)
