"""Evaluates the rules about series, on one server at a time. A change is stored with its notice in one transaction: it is announced once.

Alert states are kept in PostgreSQL: a server that starts or takes over continues from them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import TypeAlias, cast

import structlog
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.alerts.alert_state import AlertState, next_state
from app.alerts.notifications import Notifications, StateChange, ending, firing_summary, resolved_summary, summary
from app.alerts.rollups import Rollups, SeriesReading
from app.alerts.rules import Rules
from app.alerts.series import SERIES
from app.alerts.series_rules import PROBES, SeriesRule
from app.alerts.tables import AlertHistoryRow, AlertStateRow, EvaluationTurn
from app.part import Loop
from app.storage.database import Database

log = structlog.get_logger()

Labels: TypeAlias = Mapping[str, str]
Probe: TypeAlias = Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]
"""Reads a level that is not in the roll-ups (`series_rules.PROBES`): label values → value."""
TURN = "rules"
"""Name of the lock row in `alert_turns`."""
MAX_GAP_PERIODS = 4
"""After a longer gap between evaluations, pending alerts begin their duration anew: nobody knows the values meanwhile."""
MAX_ALERTS_OF_A_RULE = 200
"""Label sets of a rule that may be pending or firing at once: a label with values from outside must not fill the table."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A rule's value for one set of labels, compared with its threshold. `value` None: too few measurements."""

    rule: str
    labels: Labels
    value: float | None
    breached: bool


class Evaluator:
    """Evaluates the enabled rules about series every `every_seconds`. `probes`: by their series, those of `series_rules.PROBES`."""

    def __init__(
        self,
        database: Database,
        rollups: Rollups,
        notifications: Notifications,
        rules: Rules,
        *,
        every_seconds: float,
        probes: Mapping[str, Probe] | None = None,
    ) -> None:
        self._database = database
        self._rollups = rollups
        self._notifications = notifications
        self._rules = rules.enabled_series
        self._every = timedelta(seconds=every_seconds)
        self._probes = probes or {}

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that evaluates once a period, half a period after the recorders have written."""
        seconds = self._every.total_seconds()
        return (
            Loop(
                name="alerts.series",
                step=self.evaluate,
                pause=lambda: seconds - (clock.now().timestamp() - seconds / 2) % seconds,
                at_once=False,
                meanwhile="Alerts about measured series neither start nor end.",
            ),
        )

    async def evaluate(self) -> list[StateChange]:
        """Evaluate all rules, unless another server does or just did. Returns the alerts that began to fire or were resolved."""
        now = clock.now()
        async with self._database.begin() as connection:
            last = await connection.scalar(select(EvaluationTurn.at).where(EvaluationTurn.name == TURN))
        if last is not None and self._recent(last, now):
            return []
        found = await self.measure(now)
        async with self._database.begin() as connection:
            if (last := await self._take_turn(connection, now)) is None:
                return []
            changes = await self._apply(connection, found, now, after_gap=now - last > MAX_GAP_PERIODS * self._every)
            await self._notifications.put_changes(connection, [(self._rules[each.rule], each) for each in changes], now)
        for each in changes:
            self._notifications.announce_change(each)
        return changes

    async def measure(self, now: datetime | None = None) -> list[Evaluation]:
        """Compare all rules with their thresholds now, regardless of durations. `cairn doctor` shows this too."""
        moment, found = now or clock.now(), list[Evaluation]()
        rules = self._rules
        for window in sorted({rule.window_seconds for rule in rules.values()}):
            measured = {name: rule for name, rule in rules.items() if rule.window_seconds == window and rule.series in SERIES}
            names = sorted({name for rule in measured.values() for name in (rule.series, rule.of) if name is not None})
            if names:
                reading = await self._rollups.read(names, since=moment - timedelta(seconds=window), until=moment)
                for name, rule in measured.items():
                    found += _evaluations(name, rule, reading)
        for name, rule in rules.items():
            if rule.series in PROBES and (probe := self._probes.get(rule.series)) is not None:
                values = await probe()
                for key, value in values.items():
                    labels = dict(zip(PROBES[rule.series], key, strict=True))
                    found.append(Evaluation(name, labels, value, rule.breached(value)))
        return found

    def _recent(self, last: datetime, now: datetime) -> bool:
        return abs(now - last) < self._every * 0.8

    async def _take_turn(self, connection: AsyncConnection, now: datetime) -> datetime | None:
        """Lock the turn until the transaction ends. Returns when rules were last evaluated; None if another server does it or just did."""
        long_ago = now - timedelta(days=1)
        await connection.execute(upsert(EvaluationTurn).values(name=TURN, at=long_ago).on_conflict_do_nothing())
        last = await connection.scalar(select(EvaluationTurn.at).where(EvaluationTurn.name == TURN).with_for_update(skip_locked=True))
        if last is None or self._recent(last, now):
            return None
        await connection.execute(
            upsert(EvaluationTurn).values(name=TURN, at=now).on_conflict_do_update(index_elements=["name"], set_={"at": now})
        )
        return last

    async def _apply(
        self, connection: AsyncConnection, found: Sequence[Evaluation], now: datetime, *, after_gap: bool
    ) -> list[StateChange]:
        """Move every alert to its next state, and store it. Returns the alerts that began to fire or were resolved."""
        rows = {(row.rule, row.key): row for row in await connection.execute(select(AlertStateRow.__table__))}
        current = _bounded(found, {(rule, key) for rule, key in rows})
        changes: list[StateChange] = []
        for name, key in sorted(rows.keys() | current.keys()):
            rule, row, each = self._rules.get(name), rows.get((name, key)), current.get((name, key))
            before = None if row is None else _state(row)
            if rule is None:  # no longer in the file, or disabled: dropped without a notice
                await connection.execute(delete(AlertStateRow).where(AlertStateRow.rule == name, AlertStateRow.key == key))
                continue
            labels = each.labels if each is not None else row.labels if row is not None else {}
            after = next_state(rule, before, each.value if each is not None else None, now, after_gap=after_gap)
            if after != before:
                changes += await _store(connection, (name, key), rule, labels, before, after, now=now)
        return changes


def _evaluations(name: str, rule: SeriesRule, reading: SeriesReading) -> list[Evaluation]:
    """Evaluate a rule for each combination of values of its labels `each`."""
    seen = product(*(reading.values(rule.series if rule.of is None else rule.of, label) for label in rule.each))
    sets = [dict(zip(rule.each, values, strict=True)) for values in seen] if rule.each else [{}]
    found = []
    for labels in sets:
        value = _value(rule, reading, labels)
        found.append(Evaluation(name, labels, value, value is not None and rule.breached(value)))
    return found


def _value(rule: SeriesRule, reading: SeriesReading, labels: Labels) -> float | None:
    point = reading.whole(rule.series, labels)
    if rule.of is not None:
        whole = reading.whole(rule.of, labels)
        return point.sum / whole.sum if whole.sum >= rule.min_count else None
    if point.count < rule.min_count:
        return None
    return cast("float | None", getattr(point, rule.take))


def _bounded(found: Sequence[Evaluation], known: set[tuple[str, str]]) -> dict[tuple[str, str], Evaluation]:
    """Select the evaluations to apply, by rule and labels: of alerts that are active already, and of breached rules up to the bound."""
    made: dict[tuple[str, str], Evaluation] = {}
    count: dict[str, int] = {}
    for each in sorted(found, key=lambda each: not each.breached):
        key = (each.rule, json.dumps(each.labels, sort_keys=True) if each.labels else "")
        if key in known or (each.breached and count.get(each.rule, 0) < MAX_ALERTS_OF_A_RULE):
            made[key] = each
            count[each.rule] = count.get(each.rule, 0) + 1
    return made


def _state(row: Row[*tuple[object, ...]]) -> AlertState:
    return AlertState(row.state, row.since, row.value, row.quiet_since, row.first, row.peak)


async def _store(
    connection: AsyncConnection,
    place: tuple[str, str],
    rule: SeriesRule,
    labels: Labels,
    before: AlertState | None,
    after: AlertState | None,
    *,
    now: datetime,
) -> list[StateChange]:
    """Store an alert's new state, and a resolved one in the history. Returns the change if it began to fire or was resolved."""
    name, key = place
    if after is None:
        await connection.execute(delete(AlertStateRow).where(AlertStateRow.rule == name, AlertStateRow.key == key))
        if before is None or before.state == "pending":
            return []
        words = resolved_summary(rule, labels, before, now)
        past = {"rule": name, "labels": dict(labels), "severity": rule.severity, "summary": words, "peak": before.peak}
        await connection.execute(insert(AlertHistoryRow).values(**past, fired_at=before.since, resolved_at=now))
        return [_change(name, rule, labels, "resolved", before, words)]
    words = summary(rule, labels, after.value) if after.state == "pending" else firing_summary(rule, labels, after)
    values = {
        "labels": dict(labels),
        "state": after.state,
        "since": after.since,
        "quiet_since": after.quiet_since,
        "value": after.value,
        "first": after.first,
        "peak": after.peak,
        "severity": rule.severity,
        "summary": words,
        "ends": ending(rule),
    }
    row = upsert(AlertStateRow).values(rule=name, key=key, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["rule", "key"], set_=values))
    if after.state == "firing" and (before is None or before.state == "pending"):
        return [_change(name, rule, labels, "firing", after, words)]
    return []


def _change(name: str, rule: SeriesRule, labels: Labels, state: str, alert: AlertState, words: str) -> StateChange:
    return StateChange(name, labels, state, rule.severity, words, alert.value, alert.since, alert.first, alert.peak, ending(rule))
