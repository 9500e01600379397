"""Routes and schemas of where money went and of the calls behind it: one's own, a team's for its lead or auditor, as JSON and as CSV."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from app.api.schema import AccountName, Plain, ResponseBody
from app.budget.requests import CallDimension, CallEnd, CallFilter, CallStatistics, CallView
from app.budget.views import ReportDays, SpendDimension, SpendPart, SpendQuery, SpendReport, SpendTotals
from app.errors import InvalidInput
from app.money import from_usd, to_usd
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import FOREIGN, NextCursor, Page
from app.web.requester import Reader, TheServices
from app.web.spending_csv import csv_of_calls, csv_of_spending

router = APIRouter(prefix="/v1/budget", tags=["budget"], route_class=AuthenticatedRoute)

MAX_NAME_CHARS = 200
MAX_CSV_PARTS = 10_000
CSV: dict[int | str, Any] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

First = Annotated[date | None, Query(alias="from", description="The first day, in the ledger's time zone. Default: the 1st of that month.")]
Last = Annotated[date | None, Query(alias="to", description="The last day. Default: today.")]
Team = Annotated[AccountName | None, Query(description="Another team; needs the admin key. Default: your own.")]
OfDeveloper = Annotated[
    AccountName | None,
    Query(description=("Only this developer's calls. Default: the whole team's or, if your role may not see these, your own.")),
]


class SpendTotalsReply(ResponseBody):
    """Sums over charged attempts, with what was corrected and reconciled since."""

    attempts: int = Field(description="Number of charged attempts: a call whose first provider failed after it had begun has two.")
    spent_usd: float
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int


class SpendPartReply(SpendTotalsReply):
    """A part of the spending."""

    key: str | None = Field(
        description="The value to filter by; empty: calls that name none. Null: all parts beyond `limit`; with `by=day`, all older days."
    )
    provider: str = Field(description="With `by=model`: who was asked. Else empty.")
    before_usd: float = Field(description="Spending of the same part in the range before.")


class SpendReply(SpendTotalsReply):
    """The spending of a range. The parts add up to it, to the nano-dollar."""

    team: str
    by: SpendDimension
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    before_usd: float = Field(description="Spending of the range of the same length before this one.")
    parts: list[SpendPartReply]


class CallReply(ResponseBody):
    """One call. Prompts are not kept."""

    at: datetime = Field(description="When it ended.")
    request_id: str
    developer: str | None = Field(description="Null: removed.")
    project: str | None
    purpose: str
    session: str | None
    model_asked: str
    provider: str | None
    model: str | None = Field(description="The model that answered.")
    status: int = Field(description="The HTTP status that its caller got.")
    cache: str = Field(description="`miss`, or the cache that answered.")
    milliseconds: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float = Field(description="Its charge as it is now.")
    changed_usd: float = Field(description="The part of `cost_usd` that corrections and reconciliations added after it ended.")
    saved_usd: float


class CallList(ResponseBody):
    calls: list[CallReply]
    next_cursor: NextCursor
    searched_to: datetime | None = Field(
        description="Set if the search paused before the page was full: `next_cursor` continues from here. Null: the page is complete."
    )


class CallStatisticsReply(ResponseBody):
    """Figures of some calls, by how they ended."""

    key: str | None = Field(description="The value to filter by; empty: calls that name none. Null: of all calls.")
    calls: int
    answered: int
    refused: int
    failed: int
    cancelled: int
    cached: int
    cost_usd: float = Field(description="Sum of the costs as the calls ended.")
    milliseconds_p50: int | None = Field(description="Of calls that a model answered. Null: there are none.")
    milliseconds_p95: int | None


class CallStatisticsList(ResponseBody):
    total: CallStatisticsReply
    parts: list[CallStatisticsReply]


async def named_days(services: TheServices, *, first: First = None, last: Last = None) -> ReportDays:
    return services.budget.spend.days(first, last)


async def call_origin(
    *,
    team: Team = None,
    developer: OfDeveloper = None,
    project: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Only calls of this project.")] = None,
    purpose: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Only calls for this purpose.")] = None,
    session: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Only calls of this session.")] = None,
) -> dict[str, str | None]:
    return {"team": team, "developer": developer, "project": project, "purpose": purpose, "session": session}


async def call_answer(
    *,
    provider: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Only calls that this provider answered.")] = None,
    model: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Only calls that this model answered.")] = None,
) -> dict[str, str | None]:
    return {"provider": provider, "model": model}


TheDays = Annotated[ReportDays, Depends(named_days)]
TheOrigin = Annotated[dict[str, str | None], Depends(call_origin)]
TheAnswer = Annotated[dict[str, str | None], Depends(call_answer)]


async def spend_query(
    days: TheDays, origin: TheOrigin, answer: TheAnswer, by: Annotated[SpendDimension, Query(description="What the parts are.")] = "model"
) -> SpendQuery:
    return SpendQuery(days, by, **origin, **answer)


async def call_filter(
    days: TheDays,
    origin: TheOrigin,
    answer: TheAnswer,
    end: Annotated[CallEnd | None, Query(alias="outcome", description="How the calls ended.")] = None,
    cached: Annotated[bool | None, Query(description="true: only calls answered from Cairn's caches. false: only the others.")] = None,
    min_cost_usd: Annotated[float | None, Query(ge=0, le=1_000_000, allow_inf_nan=False, description="Cost as the call ended.")] = None,
    text: Annotated[Plain | None, Query(max_length=MAX_NAME_CHARS, description="Part of the id of the request, session or agent.")] = None,
) -> CallFilter:
    least = None if min_cost_usd is None else from_usd(min_cost_usd)
    return CallFilter(days, **origin, **answer, end=end, cached=cached, min_nanousd=least, text=text or None)


TheQuery = Annotated[SpendQuery, Depends(spend_query)]
TheFilter = Annotated[CallFilter, Depends(call_filter)]


@router.get("/spend", summary="Break spending down over any range of days, compared with the range before", responses=responses())
async def spend(services: TheServices, reader: Reader, query: TheQuery, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> SpendReply:
    return _report(await services.budget.spend.report(reader, query, limit=limit))


@router.get("/spend.csv", summary="Export a breakdown of spending as CSV", responses={**CSV, **responses()}, response_class=Response)
async def spend_csv(services: TheServices, reader: Reader, query: TheQuery) -> Response:
    return csv_of_spending(await services.budget.spend.report(reader, query, limit=MAX_CSV_PARTS))


@router.get("/calls", summary="List calls, the latest first", responses=responses())
async def calls(
    services: TheServices,
    reader: Reader,
    wanted: TheFilter,
    paging: Page,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CallList:
    before = None
    if paging.after is not None:
        days, before = _resumed(paging.after)
        wanted = replace(wanted, days=days)
    page = await services.budget.calls.list_calls(reader, wanted, before=before, limit=limit)
    place = None if page.next is None else f"{wanted.days.first}/{wanted.days.last}/{page.next}"
    return CallList(calls=[_call(each) for each in page.calls], next_cursor=paging.next_cursor(place), searched_to=page.searched_to)


@router.get("/calls.csv", summary="Export calls as CSV", responses={**CSV, **responses()}, response_class=StreamingResponse)
async def calls_csv(request: Request, services: TheServices, reader: Reader, wanted: TheFilter) -> StreamingResponse:
    return csv_of_calls(request, await services.budget.calls.export(reader, wanted))


@router.get(
    "/calls/statistics",
    summary="Count calls by outcome, with the time that they took",
    description="Over at most 31 days, because this sorts the times of every call. What calls cost over years: `GET /v1/budget/spend`.",
    responses=responses(),
)
async def statistics(
    services: TheServices,
    reader: Reader,
    wanted: TheFilter,
    by: Annotated[CallDimension, Query(description="What the parts are.")] = "developer",
) -> CallStatisticsList:
    total, *parts = map(_counted, await services.budget.calls.statistics(reader, wanted, by=by))
    return CallStatisticsList(total=total, parts=parts)


def _resumed(place: str) -> tuple[ReportDays, str]:
    """Return the days of the first page, and where the page before ended: days that were left out would move at midnight."""
    try:
        first, last, before = place.split("/")
        return ReportDays(date.fromisoformat(first), date.fromisoformat(last)), before
    except ValueError:  # one of an older version
        raise InvalidInput(FOREIGN, param="cursor") from None


def _report(report: SpendReport) -> SpendReply:
    return SpendReply(
        team=report.team,
        by=report.query.by,
        first=report.query.days.first,
        last=report.query.days.last,
        before_usd=to_usd(report.before.nanousd),
        parts=[_part(each) for each in report.parts],
        **_sums(report.totals),
    )


def _part(part: SpendPart) -> SpendPartReply:
    return SpendPartReply(key=part.key, provider=part.provider, before_usd=to_usd(part.before), **_sums(part.totals))


def _sums(totals: SpendTotals) -> dict[str, Any]:
    counted = {name: getattr(totals, name) for name in SpendTotalsReply.model_fields if name != "spent_usd"}
    return {**counted, "spent_usd": to_usd(totals.nanousd)}


def _call(call: CallView) -> CallReply:
    spent = call.spending
    kept = ("at", "request_id", "project", "purpose", "model_asked", "provider", "status", "cache", "milliseconds")
    return CallReply(
        **{name: getattr(spent, name) for name in kept},
        developer=call.developer,
        session=call.session,
        model=spent.model_answered,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cost_usd=to_usd(call.nanousd),
        changed_usd=to_usd(call.changed_nanousd),
        saved_usd=to_usd(spent.saved_nanousd),
    )


def _counted(counted: CallStatistics) -> CallStatisticsReply:
    names = [name for name in CallStatisticsReply.model_fields if name != "cost_usd"]
    return CallStatisticsReply(**{name: getattr(counted, name) for name in names}, cost_usd=to_usd(counted.nanousd))
