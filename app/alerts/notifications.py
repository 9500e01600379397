"""Decides which notices an alert causes, and for whom: words notices, raises metrics and writes log lines, for both kinds of rule.

The webhook hears what `post` of the rule lets through; a notice is put into the outbox in the transaction that makes it true. The
log and the metrics hear everything, after that transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.budget_rules import Crossing
from app.alerts.series import SERIES
from app.alerts.series_rules import SeriesRule
from app.queue.outbox import Notice, Outbox
from app.telemetry import metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateChange:
    """An alert about a series that began to fire or is resolved."""

    rule: str
    labels: Mapping[str, str]
    state: str
    severity: str
    summary: str
    value: float


@dataclass(frozen=True, slots=True)
class StoredCrossing:
    """A crossing that this process stored first, with the name of whose budget it is."""

    crossing: Crossing
    name: str
    id: UUID
    at: datetime


class Notifications:
    """Tells the webhook (through the outbox), the log and the metrics."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def put_changes(self, connection: AsyncConnection, changes: Sequence[tuple[SeriesRule, StateChange]], now: datetime) -> None:
        """Put the notices into the outbox in the caller's transaction: they are sent once it is committed."""
        await self._outbox.put(connection, [_change_notice(change, now) for rule, change in changes if rule.post])

    async def put_crossings(self, connection: AsyncConnection, crossings: Sequence[StoredCrossing]) -> None:
        """Put the notices into the outbox in the caller's transaction: they are sent once it is committed."""
        await self._outbox.put(connection, [_crossing_notice(each) for each in crossings if each.crossing.rule.post])

    def announce_change(self, change: StateChange) -> None:
        metrics.alert_changed(change.rule, change.state)
        say = log.warning if change.state == "firing" else log.info
        say("alert", rule=change.rule, state=change.state, severity=change.severity, value=change.value, summary=change.summary)

    def announce_crossing(self, crossing: Crossing) -> None:
        metrics.budget_alert(crossing.subject, crossing.alert)
        log.warning("budget.alert", subject=crossing.subject, subject_id=str(crossing.subject_id), rule=crossing.alert, **crossing.data)


def summary(rule: SeriesRule, labels: Mapping[str, str], value: float | None) -> str:
    """Describe what a rule about a series says, in a line, for a person. `value` None: too little was measured."""
    unit = SERIES[rule.series].unit if rule.series in SERIES and rule.take != "share" else "share"
    where = f" [{', '.join(f'{name} {each}' for name, each in labels.items())}]" if labels else ""
    if value is None:
        return f"{rule.what}{where}: too little was measured"
    edge = "above" if rule.above is not None else "below"
    return f"{rule.what}{where}: {_words(value, unit)} (fires {edge} {_words(rule.threshold, unit)})"


def _words(value: float, unit: str) -> str:
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
        "summary": change.summary,
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
