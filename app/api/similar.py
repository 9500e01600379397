"""The route of sessions like one: which of the team's share its phases, and which those are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.schema import ResponseBody
from app.trajectory.similar import Comparability, SimilarSession
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=AuthenticatedRoute)


class SharedPhaseReply(ResponseBody):
    """A phase that both sessions have in the same order."""

    phase: str = Field(examples=["a migration fails"])
    here: int = Field(description="Number of the event with which it begins in the session asked about.")
    there: int = Field(description="Number of the event with which it begins in the session found.")


class SimilarSessionReply(ResponseBody):
    id: UUID
    project: str
    title: str | None
    transcript: str = Field(description="Name of the file that it was read from.")
    ended_at: datetime | None
    score: float = Field(
        description="Share of both sessions' phases that they have in common in the same order, 0 to 1; what shows trouble weighs more."
    )
    course: float = Field(
        description="Cosine of their temporal embeddings (durations, sizes, novelty, failures over time), -1 to 1: weaker evidence."
    )
    because: str = Field(examples=["Both: a migration fails, a rollback, a migration. Then, there: testing, committing."])
    both: list[str] = Field(description="Phases that both have, each once, in order: at most six, trouble first.")
    then: list[str] = Field(description="Phases of the session found after the last trouble that both had. Empty: they share none.")
    shared: list[SharedPhaseReply] = Field(description="The last 50 phases that both have, one by one.")


class SimilarSessionList(ResponseBody):
    state: Comparability = Field(
        description="`not_analysed`: nothing of it has been read yet; `too_short`: it has too few phases to tell it from others."
    )
    reason: str | None = Field(description="Why it was not compared, and what to do. Null: it was.")
    phases: int = Field(description="Number of its phases that were compared.")
    left_out: int = Field(description="Number of its phases before these: of a long session the last ones are compared.")
    compared: int = Field(description="Number of sessions that it was compared with: the team's latest, at most 20,000.")
    sessions: list[SimilarSessionReply] = Field(description="The likest first; those with less than a fifth in common are left out.")


@router.get(
    "/{session_id}/similar",
    summary="List the team's sessions that are like one, with why",
    description="By their phases (exploring, editing, a migration, …) and how these ended. What was said is neither compared nor told.",
    responses=responses(),
)
async def list_similar(
    services: TheServices,
    caller: Reader,
    session_id: UUID,
    limit: Annotated[int, Query(ge=1, le=50, description="Maximum number of sessions.")] = 10,
) -> SimilarSessionList:
    found = await services.trajectory.similar.find(caller, session_id, limit=limit)
    return SimilarSessionList(
        state=found.state,
        reason=found.reason,
        phases=found.phases,
        left_out=found.left_out,
        compared=found.compared,
        sessions=[_reply(each) for each in found.found],
    )


def _reply(found: SimilarSession) -> SimilarSessionReply:
    session = found.session
    return SimilarSessionReply(
        id=session.id,
        project=found.project,
        title=session.title,
        transcript=session.transcript,
        ended_at=session.ended_at,
        score=found.score,
        course=found.course,
        because=found.because,
        both=list(found.both),
        then=list(found.then),
        shared=[SharedPhaseReply(phase=each.phase, here=each.here, there=each.there) for each in found.shared],
    )
