"""Route of a job: its state, progress and result."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.queue.jobs import State
from app.services.operations import show_job
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
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


@router.get("/{job_id}", summary="Show a job", responses=responses(), response_model_exclude_none=True)
async def show(services: TheServices, caller: Reader, job_id: UUID) -> JobReply:
    job = await show_job(services, caller, job_id)
    return JobReply(
        id=job.id,
        kind=job.kind,
        state=job.state,
        progress=ProgressReply(done=job.progress_done, total=job.progress_total),
        attempts=job.attempts,
        result=job.result,
        error=JobError.model_validate(job.error, from_attributes=False) if job.error else None,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )
