"""Lists a team's jobs, page by page. Knows no kind of job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy import select

from app.queue.jobs import Job, State
from app.queue.tables import JobRow
from app.storage.database import Database
from app.storage.pages import PageWanted, paged

_COLUMNS = [getattr(JobRow, field.name) for field in fields(Job)]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Conditions on the jobs to list; None: any. `developer_id`: who asked for them."""

    team_id: UUID
    developer_id: UUID | None = None
    state: State | None = None
    kind: str | None = None


async def read_jobs(database: Database, wanted: PageWanted, among: JobFilter) -> Sequence[Job]:
    """Read the jobs of a page, and one more where there is one: see `page_of`. From the primary: states change from second to second."""
    query = select(*_COLUMNS).where(JobRow.team_id == among.team_id)
    for column, value in ((JobRow.developer_id, among.developer_id), (JobRow.state, among.state), (JobRow.kind, among.kind)):
        if value is not None:
            query = query.where(column == value)
    async with database.begin() as connection:
        return [Job(*row) for row in await connection.execute(paged(query, JobRow, wanted))]
