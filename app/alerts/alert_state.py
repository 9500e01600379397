"""The state machine of an alert: at rest → pending → firing → at rest. Pure; time is given.

Pending until the threshold was crossed for `for_seconds` without a break; firing until it was back beyond `clear` for `clear_seconds`.
Between the two edges a firing alert goes on firing: that is the hysteresis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from app.alerts.series_rules import SeriesRule


@dataclass(frozen=True, slots=True)
class AlertState:
    """The state of an alert that is not at rest. `since`: pending, when the threshold was crossed; firing, when it began to fire."""

    state: Literal["pending", "firing"]
    since: datetime
    value: float
    quiet_since: datetime | None = None


def next_state(
    rule: SeriesRule, before: AlertState | None, value: float | None, now: datetime, *, watched: bool = True
) -> AlertState | None:
    """Return the state after a new value; None: at rest. `value` None: too little was measured, which counts as quiet.

    `watched` False: no server evaluated for a while, so what was pending begins anew; what fires goes on.
    """
    breached = value is not None and rule.breached(value)
    if before is not None and before.state == "firing":
        return _firing(rule, before, value, now)
    if not breached:
        return None
    assert value is not None
    since = before.since if before is not None and watched else now
    if now - since >= timedelta(seconds=rule.for_seconds):
        return AlertState("firing", now, value)
    return AlertState("pending", since, value)


def _firing(rule: SeriesRule, before: AlertState, value: float | None, now: datetime) -> AlertState | None:
    if value is not None and not rule.quiet(value):
        return replace(before, value=value, quiet_since=None)
    quiet_since = before.quiet_since or now
    if now - quiet_since >= timedelta(seconds=rule.clear_seconds):
        return None
    return replace(before, value=before.value if value is None else value, quiet_since=quiet_since)
