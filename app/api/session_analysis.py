"""The route and schemas of a session's analysis: its exchanges, and what was found in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.accounts.requester import Requester
from app.api.patterns import RecurringTroubleReply, recurring_reply
from app.api.schema import ResponseBody, Untrusted
from app.api.session_costs import SessionCostDetailsReply, cost_reply
from app.money import to_usd
from app.services.services import Services
from app.services.session_costs import cost_of
from app.trajectory.analysis import ExchangeOutcome, FindingKind, SessionExchange, ShownAnalysis, ToldFinding, Verdict
from app.trajectory.events import Phase
from app.trajectory.intent import Intent, PromptIntent
from app.trajectory.patterns import RecurringTrouble
from app.trajectory.policies import PolicyInSession, PolicySeverity, PolicyVerdict
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=AuthenticatedRoute)

PhaseCounts = Annotated[dict[Phase, int], Field(examples=[{"explore": 4, "edit": 2, "test": 1}])]


class ExchangeReply(ResponseBody):
    """A prompt and what followed up to the next. Number 0: what came before the first prompt."""

    number: int
    first: int = Field(description="Number of its first event.")
    last: int
    intent: Intent | None = Field(
        description="Intent of the prompt, as a person corrected it or as it was classified. Null: not classified."
    )
    intent_confidence: float | None = Field(
        description="The probability that the classifier is right. Null: a person said it, or it isn't classified.", examples=[0.83]
    )
    outcome: ExchangeOutcome | None = Field(description="What the person's next prompt says of it. Null: there is none yet.")
    phases: PhaseCounts
    failed: int = Field(description="Tool calls that failed.")
    checks_passed: int = Field(description="Runs of tests or static checks that passed.")
    checks_failed: int
    checked: Verdict | None = Field(description="How the last of these ended.")
    files: list[str] = Field(
        description="Files that were edited, the first 20. Empty where this key doesn't see what was said in the session."
    )
    began_at: datetime | None
    ended_at: datetime | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = Field(description="As the transcript prices it. Null: it doesn't.")


class SessionFindingReply(ResponseBody):
    """A finding holds for the events `first` to `last`."""

    name: str = Field(examples=["stuck"])
    first: int
    last: int
    open: bool = Field(description="Whether it still holds at the last event that was read.")
    evidence: list[int] = Field(description="Numbers of the events that show it.")
    because: str | None = Field(description="Why, in a sentence. Null: this key doesn't see what was said in the session.")
    tool: str | None = Field(description="The tool that it is about.", examples=["bash"])
    began_at: datetime | None
    ended_at: datetime | None


class PolicyInSessionReply(ResponseBody):
    """The verdict on a policy after all events that were read."""

    policy: str = Field(examples=["check-before-commit"])
    severity: PolicySeverity
    verdict: PolicyVerdict = Field(
        description="`true`, `false`: whatever comes; false once broken. `presumably_…`: so if the session ended here. A session"
        " that hasn't changed for a day has ended: its verdicts are `true` and `false`, until it goes on."
    )
    ended: bool = Field(description="Whether the session has ended.")
    broken: int = Field(description="How often it was broken.")
    gave_up_at: int | None = Field(description="The formula grew to this size and is watched no longer. Null: it is watched.")
    evidence: list[int] = Field(description="Numbers of the events that demand what hasn't come; empty: nothing is awaited.")
    because: str | None = Field(
        description="What hasn't come, in words. Null: nothing, or this key doesn't see what was said in the session."
    )


class StripReply(ResponseBody):
    """Successive events, counted by phase."""

    first: int
    last: int
    phases: PhaseCounts
    failed: int


class AnalysisReply(ResponseBody):
    """A page of a session's analysis: exchanges in order, and what was found in their stretch."""

    session_id: UUID
    events: int = Field(description="Number of events that the session has.")
    analysed: int = Field(description="Number of events that were analysed. 0: not analysed yet.")
    current: bool = Field(description="Whether the current version of the analysis has read the whole session.")
    parked: str | None = Field(description="Why the analysis failed on this session; null: it has not.")
    exchanges: list[ExchangeReply]
    activity: list[SessionFindingReply]
    health: list[SessionFindingReply]
    loops: list[SessionFindingReply]
    policies: list[SessionFindingReply] = Field(description="Violations of policies.")
    verdicts: list[PolicyInSessionReply] = Field(description="On all policies that are watched, over the whole session.")
    patterns: list[RecurringTroubleReply] = Field(
        description="The stretch's troubles, the first 20, that other sessions of the project had, too, with what followed there."
    )
    findings_left_out: int = Field(description="Findings beyond 200 of a kind in this stretch, or beyond 5,000 in the session.")
    steps: list[StripReply] = Field(description="The page's events in at most 120 strips of equal length.")
    recurrence: dict[str, float] | None = Field(description="Over the session's last 2,000 events. Null: not measured.")
    cost: SessionCostDetailsReply | None = Field(
        description="What its calls of models through Cairn cost. Null: none is known, or none that this key may see."
    )
    untrusted: Untrusted = True
    next_cursor: NextCursor


@router.get(
    "/{session_id}/analysis",
    summary="Show a session's analysis: exchanges, activity, health, loops, policies",
    description="Derived from the journal without a model, as events come; `current` says whether it has caught up. Of another's session it"
    " tells what was found and where, in words and with files' names only to those who may read its prompts: that reading is recorded.",
    responses=responses(),
)
async def show_analysis(
    services: TheServices,
    caller: Reader,
    session_id: UUID,
    *,
    limit: Annotated[int, Query(ge=1, le=200, description="Number of exchanges.")] = 50,
    paging: Page,
) -> AnalysisReply:
    after = -1 if paging.after is None else int(paging.after)
    analysis = await services.trajectory.reader.show(caller, session_id, after=after, limit=limit)
    cost = await cost_of(services, caller, analysis.shown.session)
    recurring = await _recurring(services, caller, analysis)
    progress = analysis.progress
    return AnalysisReply(
        session_id=session_id,
        events=analysis.shown.session.event_count,
        analysed=progress.last_event,
        current=progress.up_to_date,
        parked=progress.parked_reason,
        exchanges=[_exchange(each, analysis.intent_of(each)) for each in analysis.exchanges],
        activity=_findings(analysis, "activity"),
        health=_findings(analysis, "health"),
        loops=_findings(analysis, "loop"),
        policies=_findings(analysis, "policy"),
        patterns=[recurring_reply(each) for each in recurring],
        verdicts=[_verdict(each) for each in analysis.verdicts],
        findings_left_out=analysis.found.left_out,
        steps=[StripReply(first=each.first, last=each.last, phases=dict(each.phases), failed=each.failed) for each in analysis.strips],
        recurrence=None if analysis.recurrence is None else dict(analysis.recurrence),
        cost=None if cost is None else cost_reply(cost),
        next_cursor=paging.next_cursor(analysis.next),
    )


async def _recurring(services: Services, caller: Requester, analysis: ShownAnalysis) -> Sequence[RecurringTrouble]:
    if not analysis.exchanges:
        return []
    first, last = analysis.exchanges[0].first, analysis.exchanges[-1].last
    return await services.trajectory.patterns.of_session(caller, analysis.shown.session.id, first=first, last=last)


def _exchange(exchange: SessionExchange, intent: PromptIntent | None) -> ExchangeReply:
    told = {name: getattr(exchange, name) for name in ExchangeReply.model_fields if name not in {"intent", "intent_confidence", "cost_usd"}}
    cost = None if exchange.cost_nanousd is None else to_usd(exchange.cost_nanousd)
    wanted = None if intent is None else intent.intent
    sure = None if intent is None else intent.certainty
    return ExchangeReply(**told | {"files": list(exchange.files)}, intent=wanted, intent_confidence=sure, cost_usd=cost)


def _verdict(found: PolicyInSession) -> PolicyInSessionReply:
    told = {name: getattr(found, name) for name in PolicyInSessionReply.model_fields}
    return PolicyInSessionReply(**told | {"evidence": list(found.evidence), "because": found.because or None})


def _findings(analysis: ShownAnalysis, kind: FindingKind) -> list[SessionFindingReply]:
    of_kind: Sequence[ToldFinding] = [each for each in analysis.found.findings if each.kind == kind]
    return [
        SessionFindingReply(
            name=each.name,
            first=each.first,
            last=each.last,
            open=each.open,
            evidence=list(each.evidence),
            because=each.because if analysis.words else None,
            tool=each.tool or None,
            began_at=each.began_at,
            ended_at=each.ended_at,
        )
        for each in of_kind
    ]
