"""Which alerts are firing, and which were. What the dashboard, the metrics and `cairn doctor` ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import select

from app.alerts.tables import Past, State
from app.storage.database import Database

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires, since `since`. `value` is the last one seen."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    value: float
    since: datetime


@dataclass(frozen=True, slots=True)
class Over:
    """One that fired, and is over."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    since: datetime
    until: datetime


class Alarms:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def firing(self) -> list[Firing]:
        """Those that fire now, the newest first."""
        query = select(State.__table__).where(State.state == "firing").order_by(State.since.desc(), State.rule, State.key)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [Firing(row.rule, row.labels, cast("Severity", row.severity), row.summary, row.value, row.since) for row in rows]

    async def over(self, *, limit: int = 50) -> list[Over]:
        """The last ones that are over, the newest first."""
        query = select(Past.__table__).order_by(Past.resolved_at.desc()).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [Over(row.rule, row.labels, cast("Severity", row.severity), row.summary, row.fired_at, row.resolved_at) for row in rows]
