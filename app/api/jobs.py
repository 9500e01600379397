"""Routes of jobs: one's state, progress and result; and which there are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.listing import TimedListing
from app.api.schema import AccountName, Plain, ProjectName, ResponseBody
from app.queue.job_list import JobEntry
from app.queue.jobs import Job, State
from app.services.job_listing import JobsWanted, ListedJob, list_jobs
from app.services.operations import show_job
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=AuthenticatedRoute)


class ProgressReply(ResponseBody):
    """Progress in bytes of the upload."""

    done: int
    total: int


class JobError(ResponseBody):
    """The error of the last attempt. A job that is `queued` again will be retried."""

    code: str
    message: str


class JobReply(ResponseBody):
    id: UUID
    kind: str = Field(examples=["ingest"])
    state: State
    progress: ProgressReply
    attempts: int
    result: dict[str, Any] | None = Field(
        None,
        description="Once the job is done: counts of what was read, skipped, redacted and learnt. `unknown`: kinds of records that this"
        " version doesn't know.",
        examples=[
            {
                "transcript": "session.jsonl",
                "format": "claude-code",
                "sessions": ["6b0c6a52-…"],
                "lines": 412,
                "events": {"new": 118, "known": 0},
                "skipped": {"record: progress": 260, "record: hologram": 1},
                "unknown": {"record: hologram": 1},
                "problems": [{"locator": "L17", "reason": "not JSON"}],
                "redactions": {"aws-access-key": 1},
                "knowledge": {"new": 9, "merged": 1, "updated": 0, "withdrawn": 0, "known": 0},
            }
        ],
    )
    error: JobError | None = None
    created_at: datetime
    finished_at: datetime | None = None


class ListedJobReply(ResponseBody):
    """A job in a list, without its result."""

    id: UUID
    kind: str = Field(examples=["ingest"])
    state: State
    developer: str | None = Field(description="Who asked for it. Null: the admin key, or Cairn itself.", examples=["ada"])
    progress: ProgressReply
    attempts: int
    error: JobError | None
    created_at: datetime
    finished_at: datetime | None


class JobList(ResponseBody):
    jobs: list[ListedJobReply]
    next_cursor: NextCursor


@router.get(
    "",
    summary="List jobs",
    description="One's own; to a lead or admin those of the team. Jobs that have ended are kept for a week.",
    responses=responses(),
)
async def list_all(
    services: TheServices,
    caller: Reader,
    listing: TimedListing,
    *,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[Plain | None, Query(max_length=100, description="Only jobs of this kind.", examples=["ingest"])] = None,
    project: Annotated[
        ProjectName | None,
        Query(description="Only jobs with a session of this project: one that has read nothing yet names none.", examples=["shop"]),
    ] = None,
    developer: Annotated[
        AccountName | None, Query(description="Only jobs that this developer asked for. Others' for leads and admins.")
    ] = None,
) -> JobList:
    page = await list_jobs(services, caller, listing.wanted, JobsWanted(state, kind, project, developer))
    return JobList(jobs=[_listed(each) for each in page.entries], next_cursor=listing.next_cursor(page.next))


@router.get("/{job_id}", summary="Show a job", responses=responses(), response_model_exclude_none=True)
async def show(services: TheServices, caller: Reader, job_id: UUID) -> JobReply:
    job = await show_job(services, caller, job_id)
    return JobReply(result=job.result, **_shown(job))


def _listed(listed: ListedJob) -> ListedJobReply:
    return ListedJobReply(developer=listed.developer, **_shown(listed.job))


def _shown(job: Job | JobEntry) -> dict[str, Any]:
    """Return the fields that a job has in a list, too."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "progress": ProgressReply(done=job.progress_done, total=job.progress_total),
        "attempts": job.attempts,
        "error": JobError.model_validate(job.error, from_attributes=False) if job.error else None,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }
