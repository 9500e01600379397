"""Composes and sends what is said of alerts of all kinds: to the webhook, the log and the metrics.

The webhook gets the alerts of rules with `post`, through the outbox, in the transaction that stores the alert. The log and the metrics
get all alerts, after that transaction. A new receiver is added here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.alert_state import AlertState
from app.alerts.budget_rules import Crossing
from app.alerts.series import SERIES
from app.alerts.series_rules import SeriesRule
from app.queue.outbox import SLACK_ESCAPES, Notice, Outbox
from app.telemetry import metrics

log = structlog.get_logger()

MAX_LINKED = 20
"""Sessions that one notice names; the others are counted."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """An alert about a series that began to fire, or was resolved. `value`: the last one measured; `since`: when it began to fire.

    `first`, `peak`: its value then, and the one farthest past the threshold; None: unknown. `ends`: what ends it, in words.
    """

    rule: str
    labels: Mapping[str, str]
    state: str
    severity: str
    summary: str
    value: float
    since: datetime
    first: float | None
    peak: float | None
    ends: str


@dataclass(frozen=True, slots=True)
class StoredCrossing:
    """A crossing that this process was the first to store. `name`: of the developer or team."""

    crossing: Crossing
    name: str
    id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class PolicyAlert:
    """A policy that sessions of one project broke. `project` None: a closed one, which isn't named. `page`: see `PolicyEvaluator`."""

    rule: str
    what: str
    policy: str
    project: str | None
    sessions: Sequence[UUID]
    page: str | None

    @property
    def urls(self) -> list[str]:
        return [] if self.page is None else [f"{self.page}{each}" for each in self.sessions[:MAX_LINKED]]


class Notifications:
    """Sends alerts to the webhook (through the outbox), the log and the metrics."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def put_changes(self, connection: AsyncConnection, changes: Sequence[tuple[SeriesRule, StateChange]], now: datetime) -> None:
        """Add the notices of alerts about series to the outbox, in the caller's transaction: they are posted once it is committed."""
        await self._outbox.put(connection, [_change_notice(change, now) for rule, change in changes if rule.post])

    async def put_crossings(self, connection: AsyncConnection, crossings: Sequence[StoredCrossing]) -> None:
        """Add the notices of alerts about budgets to the outbox, in the caller's transaction: they are posted once it is committed."""
        await self._outbox.put(connection, [_crossing_notice(each) for each in crossings if each.crossing.rule.post])

    async def put_policies(self, connection: AsyncConnection, alerts: Sequence[PolicyAlert], now: datetime) -> None:
        """Add the notices of broken policies to the outbox, in the caller's transaction: they are posted once it is committed."""
        await self._outbox.put(connection, [_policy_notice(each, now) for each in alerts])

    def announce_policy(self, alert: PolicyAlert, *, label: str) -> None:
        """Count and log an alert about a broken policy. `label`: of the policy, bounded."""
        metrics.policy_alert(label)
        log.warning("policy.alert", rule=alert.rule, policy=alert.policy, sessions=[str(each) for each in alert.sessions[:MAX_LINKED]])

    def announce_change(self, change: StateChange) -> None:
        """Count and log an alert about a series."""
        metrics.alert_changed(change.rule, change.state)
        say = log.warning if change.state == "firing" else log.info
        values = {"value": change.value, "first": change.first, "peak": change.peak}
        say("alert", rule=change.rule, state=change.state, severity=change.severity, summary=change.summary, **values)

    def announce_crossing(self, crossing: Crossing) -> None:
        """Count and log an alert about a budget."""
        metrics.budget_alert(crossing.subject, crossing.alert)
        log.warning("budget.alert", subject=crossing.subject, subject_id=str(crossing.subject_id), rule=crossing.alert, **crossing.data)


def summary(rule: SeriesRule, labels: Mapping[str, str], value: float | None) -> str:
    """Describe a rule's value in a line, for people. `value` None: too few measurements."""
    if value is None:
        return f"{_subject(rule, labels)}: too few measurements"
    return f"{_subject(rule, labels)}: {_format(rule, value)} ({_fires(rule)})"


def firing_summary(rule: SeriesRule, labels: Mapping[str, str], alert: AlertState) -> str:
    """Describe a firing alert in a line: its value now, when it began and at its peak, and what ends it."""
    then = [
        f"{_format(rule, value)} {when}"
        for value, when in ((alert.first, "when it began to fire"), (alert.peak, "at its peak"))
        if value is not None and _format(rule, value) != _format(rule, alert.value)
    ]
    told = ", ".join([f"{_format(rule, alert.value)} now", *then]) if then else _format(rule, alert.value)
    return f"{_subject(rule, labels)}: {told} ({_fires(rule)}). {ending(rule)}."


def resolved_summary(rule: SeriesRule, labels: Mapping[str, str], alert: AlertState, now: datetime) -> str:
    """Describe an alert that is over in a line: its peak, and for how long it fired."""
    peak = alert.value if alert.peak is None else alert.peak
    lasted = _duration((now - alert.since).total_seconds())
    return f"{_subject(rule, labels)}: over; it fired for {lasted}, at its peak {_format(rule, peak)} ({_fires(rule)})"


def ending(rule: SeriesRule) -> str:
    """Return what ends a firing alert of a rule, in words."""
    bound = "at most" if rule.above is not None else "at least"
    within = f" for {_duration(rule.clear_seconds)}" if rule.clear_seconds else ""
    return f"Ends once it was {bound} {_format(rule, rule.clear)}{within}"


def _subject(rule: SeriesRule, labels: Mapping[str, str]) -> str:
    return rule.what + (f" [{', '.join(f'{name} {each}' for name, each in labels.items())}]" if labels else "")


def _fires(rule: SeriesRule) -> str:
    return f"fires {'above' if rule.above is not None else 'below'} {_format(rule, rule.threshold)}"


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or seconds == length:
            number = round(seconds / length)
            return f"{number} {unit}" + ("" if number == 1 else "s")
    return f"{seconds:.0f} seconds"


def _format(rule: SeriesRule, value: float) -> str:
    unit = SERIES[rule.series].unit if rule.series in SERIES and rule.take != "share" else "share"
    match unit:
        case "share":
            return f"{value * 100:.0f} %"
        case "seconds":
            return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"
        case "state":
            return {1.0: "open", 0.5: "half-open", 0.0: "closed"}.get(value, f"{value:g}")
        case _:
            return f"{value:,.4g} {unit}"


def _change_notice(change: StateChange, now: datetime) -> Notice:
    body = {
        "rule": change.rule,
        "state": change.state,
        "severity": change.severity,
        "labels": dict(change.labels),
        "value": change.value,
        "first": change.first,
        "peak": change.peak,
        "summary": change.summary,
        "ends": change.ends,
        "since": change.since.isoformat(),
        "at": now.isoformat(),
    }
    mark = "resolved" if change.state == "resolved" else change.severity.upper()
    return Notice(f"Cairn {mark}: {change.summary}", body)


def _crossing_notice(stored: StoredCrossing) -> Notice:
    found = stored.crossing
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.data.items())
    body = {
        "subject": found.subject,
        "subject_id": str(found.subject_id),
        "name": stored.name,
        "period_start": found.period_start.isoformat(),
        "rule": found.alert,
        "at": stored.at.isoformat(),
        **found.data,
    }
    return Notice(f"Cairn: budget of {found.subject} {stored.name}: {found.alert} ({facts})", body, stored.id)


def _policy_notice(alert: PolicyAlert, now: datetime) -> Notice:
    count, shown = len(alert.sessions), [str(each) for each in alert.sessions[:MAX_LINKED]]
    where = "a closed project" if alert.project is None else f"project {alert.project.translate(SLACK_ESCAPES)}"
    told = f"Cairn: policy {alert.policy} was broken in {f'{count} sessions' if count > 1 else 'a session'} of {where} ({alert.what})."
    body = {
        "rule": alert.rule,
        "policy": alert.policy,
        "project": alert.project,
        "sessions": shown,
        "count": count,
        "urls": alert.urls,
        "at": now.isoformat(),
    }
    return Notice("\n".join([told, *(alert.urls or shown)]), body)
