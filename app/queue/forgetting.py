"""What jobs tell of something that was purged is taken out of them: names, places, reasons. Numbers stay. Knows no kind of job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.queue.jobs import Job, change
from app.queue.tables import Job as JobRow

SUBJECTS = "subjects"
"""Where a job's payload names what it has worked on: ids, so that a purge finds the job before it has a result, and after it failed."""
MARK = {"purged": True}
"""In the payload of a job that told of something purged: if it dies later, what it worked on must go at once."""
PURGED = "What this job worked on was purged."


@dataclass(frozen=True, slots=True)
class Told:
    """A job that told of it. `dead`: it failed for good, nothing of it is needed any more."""

    payload: dict[str, Any]
    dead: bool


async def note_subject(connection: AsyncConnection, job: Job, subject: UUID) -> None:
    """Write down that the job works on this, in the caller's transaction: the one that makes it. LeaseLost as for any change."""
    said = literal(str(subject), Text)
    others = func.coalesce(JobRow.payload[SUBJECTS], literal([], JSONB)).op("-")(said)
    await change(connection, job, {"payload": func.jsonb_set(JobRow.payload, [SUBJECTS], others.op("||")(func.to_jsonb(said)))})


async def forget(
    connection: AsyncConnection,
    team_id: UUID,
    *,
    subject: UUID,
    listed: str,
    blank: Mapping[str, object],
    name: str | None = None,
    also: tuple[str, Collection[str]] = ("", ()),
) -> list[Told]:
    """Take out of a team's jobs what they tell of a subject, in the caller's transaction. Returns those that told of it.

    `listed`: the result's list that may name it; `blank`: what stands in place of the result's other fields; `name`: what else it was
    called by, looked for in results and errors; `also`: a payload's field and the values that make a job one of those.

    Against a job that ends meanwhile: its row is changed by both, so whoever comes second sees what the first one wrote.
    """
    said = str(subject)
    field, values = also
    tells = or_(
        JobRow.payload.contains({SUBJECTS: [said]}),
        JobRow.result.contains({listed: [said]}),
        JobRow.payload[field].astext.in_(list(values)),
        *(_holds(column, name) for column in (JobRow.result, JobRow.error) if name),
    )
    less = func.jsonb_set(JobRow.result, [listed], func.coalesce(JobRow.result[listed], literal([], JSONB)).op("-")(literal(said, Text)))
    values_ = {
        "payload": JobRow.payload.op("||")(literal(MARK, JSONB)),
        "result": case((_is_object(JobRow.result), less.op("||")(literal(dict(blank), JSONB)))),
        "error": case((_is_object(JobRow.error), JobRow.error.op("||")(literal({"message": PURGED}, JSONB)))),
    }
    changed = update(JobRow).where(and_(JobRow.team_id == team_id, tells)).values(values_).returning(JobRow.payload, JobRow.state)
    return [Told(row.payload, row.state == "failed") for row in await connection.execute(changed)]


async def dead_and_purged(connection: AsyncConnection, field: str) -> set[str]:
    """What failed jobs that told of something purged name under `field` in their payloads."""
    value = JobRow.payload[field].astext
    query = select(value).where(JobRow.state == "failed", JobRow.payload.contains(MARK), value.is_not(None))
    return set(await connection.scalars(query))


def _is_object(column: Any) -> ColumnElement[bool]:
    """Neither SQL's null nor JSON's."""
    return func.jsonb_typeof(column) == "object"


def _holds(column: Any, name: str) -> ColumnElement[bool]:
    """Whether a JSON column has the name in one of its texts, as JSON writes it."""
    quoted = cast(func.to_jsonb(literal(name, Text)), Text)
    return func.strpos(cast(column, Text), func.substr(quoted, 2, func.length(quoted) - 2)) > 0
