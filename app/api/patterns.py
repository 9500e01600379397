"""The route of pattern memory: which troubles recur in the team's sessions, and what followed them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.schema import ProjectFilter, ResponseBody
from app.trajectory.patterns import MIN_SESSIONS, RecurringTrouble, ShownPattern, TroubleOutcome
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/patterns", tags=["sessions"], route_class=AuthenticatedRoute)

Outcome = Annotated[
    TroubleOutcome,
    Field(
        description="What showed that it was over: a passing check, the failed call (or one of its kind) with success, a commit, a person's"
        " approval. `unresolved`: nothing, or not yet."
    ),
]


class PatternOutcomeReply(ResponseBody):
    """A way in which a trouble ended, with how often. What followed it isn't said to be the cause."""

    outcome: Outcome
    times: int
    after: list[str] = Field(description="Phases that followed the trouble in each of them, before its end.", examples=[["editing"]])
    seconds: float | None = Field(description="From its first sign to its end, the median. Null: the events have no times.")


class PatternOccurrenceReply(ResponseBody):
    session_id: UUID
    first: int = Field(description="Number of the event that first shows it.")
    last: int = Field(description="Number of the event that shows its end, or of its last sign so far.")
    outcome: Outcome
    at: datetime


class PatternReply(ResponseBody):
    """A kind of trouble in a project: a class of failure with a shape, and what followed where it occurred."""

    id: str = Field(description="Stays while its earliest occurrence does.", examples=["5d0c1c6a7f3e9b21"])
    project: str
    family: str = Field(description="What failed, in words of a fixed list.", examples=["a lock"])
    troubles: list[str] = Field(description="What it was told as: a loop's rung or a health, the commonest first.", examples=[["error"]])
    failing: list[str] = Field(description="Its phases, up to where it was found.", examples=[["a migration fails"]])
    words: str = Field(
        description="What is known of it, in a sentence: counts, no likelihood.",
        examples=["Seen in 2 sessions of this project, since September 2026: twice followed by a passing check, after editing."],
    )
    times: int = Field(description="Occurrences, of the latest 200 of its class, and of the latest 5,000 that the list is made of.")
    sessions: int = Field(description="Sessions that it occurred in.")
    outcomes: list[PatternOutcomeReply] = Field(description="The commonest first, then what nothing shows the end of.")
    first_at: datetime
    last_at: datetime
    occurrences: list[PatternOccurrenceReply] = Field(description="The latest 10.")


class RecurringTroubleReply(ResponseBody):
    """A trouble of this session, and what other sessions of its project show of its kind."""

    first: int
    last: int
    pattern: PatternReply


class PatternsReply(ResponseBody):
    patterns: list[PatternReply]
    next_cursor: NextCursor


@router.get(
    "",
    summary="List the troubles that recur in the team's sessions, with what followed them",
    description="Loops, and stretches in which a session was stuck or blocked, merged where the same class of failure came in a like shape."
    " Those of which there is most and latest evidence come first. Nothing of what was said is kept or told.",
    responses=responses(),
)
async def list_patterns(
    services: TheServices,
    caller: Reader,
    *,
    project: ProjectFilter = None,
    min_sessions: Annotated[int, Query(ge=1, le=100, description="Only those of at least so many sessions.")] = MIN_SESSIONS,
    limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of patterns.")] = 20,
    paging: Page,
) -> PatternsReply:
    found = await services.trajectory.patterns.show(caller, project=project, min_sessions=min_sessions, after=paging.after, limit=limit)
    return PatternsReply(patterns=[pattern_reply(each) for each in found.patterns], next_cursor=paging.next_cursor(found.next))


def pattern_reply(pattern: ShownPattern) -> PatternReply:
    """Show a pattern."""
    lists = {"troubles": list(pattern.troubles), "failing": list(pattern.failing)}
    told = {name: getattr(pattern, name) for name in PatternReply.model_fields if name not in {"outcomes", "occurrences", *lists}}
    return PatternReply(
        **told | lists,
        outcomes=[
            PatternOutcomeReply(outcome=each.outcome, times=each.times, after=list(each.deeds), seconds=each.seconds)
            for each in pattern.outcomes
        ],
        occurrences=[PatternOccurrenceReply.model_validate(each) for each in pattern.occurrences],
    )


def recurring_reply(trouble: RecurringTrouble) -> RecurringTroubleReply:
    """Show what is known of a session's trouble."""
    return RecurringTroubleReply(first=trouble.first, last=trouble.last, pattern=pattern_reply(trouble.pattern))
