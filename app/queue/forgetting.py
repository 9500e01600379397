"""Removes what jobs say of a purged subject, such as a session: its id, names and error messages; numbers stay. Knows no kind of job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.queue.jobs import Job, change
from app.queue.tables import JobRow

SUBJECTS = "subjects"
"""Field of a job's payload with the ids that it has worked on, so that a purge also finds jobs without a result (running or failed)."""
MARK = {"purged": True}
"""Added to the payload of a job that mentioned a purged subject: should the job fail for good later, its input is deleted at once."""
PURGED = "The data of this job was purged."


@dataclass(frozen=True, slots=True)
class AffectedJob:
    """A job that mentioned the subject. `dead`: it failed for good, so its input is no longer needed."""

    payload: dict[str, Any]
    dead: bool


async def note_subject(connection: AsyncConnection, job: Job, subject: UUID) -> None:
    """Record that the job works on a subject, in the transaction that creates the subject. Raises LeaseLost as any change."""
    named = literal(str(subject), Text)
    others = func.coalesce(JobRow.payload[SUBJECTS], literal([], JSONB)).op("-")(named)
    await change(connection, job, {"payload": func.jsonb_set(JobRow.payload, [SUBJECTS], others.op("||")(func.to_jsonb(named)))})


async def forget(
    connection: AsyncConnection,
    team_id: UUID,
    *,
    subject: UUID,
    listed: str,
    blank: Mapping[str, object],
    name: str | None = None,
    also: tuple[str, Collection[str]] = ("", ()),
) -> list[AffectedJob]:
    """Remove a subject from a team's jobs, in the caller's transaction. Returns the jobs that mentioned it.

    `listed`: field of the result that lists subjects; `blank`: replacements for the result's other fields; `name`: another name of the
    subject, searched in results and errors; `also`: a payload field and its values, which select further jobs.

    Safe against a job that ends concurrently: both update its row, so the later one sees what the earlier one wrote.
    """
    named = str(subject)
    field, values = also
    mentions = or_(
        JobRow.payload.contains({SUBJECTS: [named]}),
        JobRow.result.contains({listed: [named]}),
        JobRow.payload[field].astext.in_(list(values)),
        *(_holds(column, name) for column in (JobRow.result, JobRow.error) if name),
    )
    listed_without = func.jsonb_set(
        JobRow.result, [listed], func.coalesce(JobRow.result[listed], literal([], JSONB)).op("-")(literal(named, Text))
    )
    cleared = {
        "payload": JobRow.payload.op("||")(literal(MARK, JSONB)),
        "result": case((_is_object(JobRow.result), listed_without.op("||")(literal(dict(blank), JSONB)))),
        "error": case((_is_object(JobRow.error), JobRow.error.op("||")(literal({"message": PURGED}, JSONB)))),
    }
    changed = update(JobRow).where(and_(JobRow.team_id == team_id, mentions)).values(cleared).returning(JobRow.payload, JobRow.state)
    return [AffectedJob(row.payload, row.state == "failed") for row in await connection.execute(changed)]


async def purged_values(connection: AsyncConnection, field: str) -> set[str]:
    """Return the payload values under `field` of failed jobs that mentioned something purged."""
    value = JobRow.payload[field].astext
    query = select(value).where(JobRow.state == "failed", JobRow.payload.contains(MARK), value.is_not(None))
    return set(await connection.scalars(query))


def _is_object(column: Any) -> ColumnElement[bool]:
    """Build the condition that a JSON column holds an object: neither SQL null nor JSON null."""
    return func.jsonb_typeof(column) == "object"


def _holds(column: Any, name: str) -> ColumnElement[bool]:
    """Build the condition that a JSON column contains the name in its text, as JSON escapes it."""
    quoted = cast(func.to_jsonb(literal(name, Text)), Text)
    return func.strpos(cast(column, Text), func.substr(quoted, 2, func.length(quoted) - 2)) > 0
