"""Lists a team's jobs, page by page, without their results, and what unfinished jobs name. Knows no kind of job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.queue.claiming import QUEUED, RUNNING
from app.queue.jobs import Json, State
from app.queue.tables import JobRow
from app.storage.database import Database
from app.storage.pages import PageWanted, paged

PAYLOAD: Final[ColumnElement[Any]] = JobRow.__table__.c.payload
"""The payloads of the jobs listed, for `JobFilter.conditions`."""


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job in a list. Its payload and its result, which may be large, are not read: see `Queue.get`."""

    id: UUID
    kind: str
    developer_id: UUID | None
    state: State
    attempts: int
    progress_done: int
    progress_total: int
    error: Json | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Conditions on the jobs to list; None: any. `developer_id`: who asked for them. `conditions`: on PAYLOAD."""

    team_id: UUID
    developer_id: UUID | None = None
    state: State | None = None
    kind: str | None = None
    conditions: Sequence[ColumnElement[bool]] = ()


_COLUMNS = [getattr(JobRow, field.name) for field in fields(JobEntry)]


async def read_jobs(database: Database, wanted: PageWanted, among: JobFilter) -> Sequence[JobEntry]:
    """Read the jobs of a page, and one more where there is one: see `page_of`. From the primary: states change from second to second."""
    query = select(*_COLUMNS).where(JobRow.team_id == among.team_id, *among.conditions)
    for column, value in ((JobRow.developer_id, among.developer_id), (JobRow.state, among.state), (JobRow.kind, among.kind)):
        if value is not None:
            query = query.where(column == value)
    async with database.begin() as connection:
        return [JobEntry(*row) for row in await connection.execute(paged(query, JobRow, wanted))]


async def unfinished_values(connection: AsyncConnection, field: str) -> set[str]:
    """Return the values under `field` in unfinished jobs' payloads: what they name must be kept."""
    value = JobRow.payload[field].astext
    unfinished = or_(JobRow.state == QUEUED, JobRow.state == RUNNING)
    return set(await connection.scalars(select(value).where(unfinished, value.is_not(None))))
