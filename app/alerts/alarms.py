"""Reads which alerts about series are firing, and which were: for the dashboard, the metrics and `cairn doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import select

from app.alerts.tables import AlertHistoryRow, AlertStateRow
from app.storage.database import Database

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An alert that is firing since `since`. `value` is the last one seen."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    value: float
    since: datetime


@dataclass(frozen=True, slots=True)
class ResolvedAlert:
    """An alert that fired and is resolved."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    since: datetime
    until: datetime


class Alarms:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def firing(self) -> list[FiringAlert]:
        """List the alerts that are firing, the newest first."""
        query = (
            select(AlertStateRow.__table__)
            .where(AlertStateRow.state == "firing")
            .order_by(AlertStateRow.since.desc(), AlertStateRow.rule, AlertStateRow.key)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [FiringAlert(row.rule, row.labels, cast("Severity", row.severity), row.summary, row.value, row.since) for row in rows]

    async def over(self, *, limit: int = 50) -> list[ResolvedAlert]:
        """List the last resolved alerts, the newest first."""
        query = select(AlertHistoryRow.__table__).order_by(AlertHistoryRow.resolved_at.desc()).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [
            ResolvedAlert(row.rule, row.labels, cast("Severity", row.severity), row.summary, row.fired_at, row.resolved_at) for row in rows
        ]
