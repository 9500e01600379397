"""Reads the firing and the resolved alerts about series: for the dashboard, the metrics and `cairn doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import select, tuple_

from app.alerts.tables import AlertHistoryRow, AlertStateRow
from app.storage.database import Database
from app.storage.pages import EntryPage, PageWanted
from app.storage.tables import AnyRow

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """A firing alert. `since`: when it began to fire; `value`: the last one measured; `first`: when it began to fire; None: unknown.

    `peak`: the value farthest past the threshold. `ends`: what ends it, in words. `summary` tells all of that in a line.
    """

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    value: float
    since: datetime
    first: float | None
    peak: float | None
    ends: str


@dataclass(frozen=True, slots=True)
class ResolvedAlert:
    """A resolved alert: it fired from `since` to `until`. `peak`: its value farthest past the threshold; None: unknown."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    summary: str
    since: datetime
    until: datetime
    peak: float | None


class SeriesAlerts:
    """Reads alerts about series from PostgreSQL, where the evaluator stores them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def firing(self) -> list[FiringAlert]:
        """List the firing alerts, the newest first."""
        query = (
            select(AlertStateRow.__table__)
            .where(AlertStateRow.state == "firing")
            .order_by(AlertStateRow.since.desc(), AlertStateRow.rule, AlertStateRow.key)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_firing(row) for row in rows]

    async def resolved(self, *, limit: int = 50) -> list[ResolvedAlert]:
        """List the last resolved alerts, the newest first."""
        query = select(AlertHistoryRow.__table__).order_by(AlertHistoryRow.resolved_at.desc()).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_resolved(row) for row in rows]

    async def history(self, wanted: PageWanted) -> EntryPage[ResolvedAlert]:
        """List a page of the resolved alerts, in the order in which they ended, which the bounds are about."""
        row, oldest = AlertHistoryRow, wanted.order == "oldest"
        query = select(row.__table__).order_by(*((row.resolved_at, row.id) if oldest else (row.resolved_at.desc(), row.id.desc())))
        if wanted.since is not None:
            query = query.where(row.resolved_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(row.resolved_at < wanted.until)
        if wanted.after is not None:
            at, _, number = wanted.after.partition("/")
            key, place = tuple_(row.resolved_at, row.id), (datetime.fromisoformat(at), int(number))
            query = query.where(key > place if oldest else key < place)
        async with self._database.begin() as connection:
            found = (await connection.execute(query.limit(wanted.limit + 1))).all()
        rows = found[: wanted.limit]
        place_after = f"{rows[-1].resolved_at.isoformat()}/{rows[-1].id}" if len(found) > wanted.limit else None
        return EntryPage([_resolved(each) for each in rows], place_after)


def _firing(row: AnyRow) -> FiringAlert:
    severity = cast("Severity", row.severity)
    return FiringAlert(row.rule, row.labels, severity, row.summary, row.value, row.since, row.first, row.peak, row.ends)


def _resolved(row: AnyRow) -> ResolvedAlert:
    severity = cast("Severity", row.severity)
    return ResolvedAlert(row.rule, row.labels, severity, row.summary, row.fired_at, row.resolved_at, row.peak)
