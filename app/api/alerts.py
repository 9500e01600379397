"""Route of alerts: those that fire, each rule's value now, and recommendations from a day of measurements."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from app.api.listing import TimedListing
from app.api.schema import ResponseBody
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["operations"], route_class=AuthenticatedRoute)

SUMMARY = (
    "Answers of models are slow (p95): 2.4 s now, 2.1 s when it began to fire, 3 s at its peak (fires above 2 s)."
    " Ends once it was at most 1.6 s for 2 minutes."
)


class FiringReply(ResponseBody):
    """An alert that fires."""

    rule: str = Field(examples=["inference_slow"])
    labels: dict[str, str]
    severity: str = Field(examples=["warning"])
    summary: str = Field(examples=[SUMMARY])
    value: float = Field(description="The latest measured value.")
    first: float | None = Field(description="The value when it began to fire; null: unknown.")
    peak: float | None = Field(description="The value farthest past the threshold since then; null: unknown.")
    ends: str = Field(description="What ends it.", examples=["Ends once it was at most 1.6 s for 2 minutes"])
    since: datetime


class OverReply(ResponseBody):
    """An alert that no longer fires."""

    rule: str
    labels: dict[str, str]
    severity: str
    summary: str
    peak: float | None = Field(description="Its value farthest past the threshold; null: unknown.")
    since: datetime
    until: datetime


class RuleReply(ResponseBody):
    """A rule and its present value. A breached rule fires once it has been breached for its whole duration."""

    rule: str
    what: str = Field(description="What the rule measures.")
    labels: dict[str, str]
    severity: str
    value: float | None = Field(description="The measured value; null: too few measurements.")
    threshold: float
    breached: bool = Field(description="Whether the value is beyond the threshold now.")
    summary: str


class AdviceReply(ResponseBody):
    """A recommendation to change a setting."""

    topic: str
    evidence: str = Field(description="The measurements behind it.")
    change: str = Field(description="What to change.")


class AlertHistoryReply(ResponseBody):
    alerts: list[OverReply]
    next_cursor: NextCursor


class AlertsReply(ResponseBody):
    firing: list[FiringReply]
    over: list[OverReply] = Field(description="The latest alerts that no longer fire, at most 20. All: GET /v1/alerts/history.")
    rules: list[RuleReply] = Field(description="Every rule, evaluated now.")
    recommendations: list[AdviceReply] = Field(description="Recommendations from the measurements of the last 24 hours.")


@router.get("/alerts", summary="Show firing alerts, the present value of every rule, and recommendations", responses=responses())
async def alerts(services: TheServices, admin: Admin) -> AlertsReply:
    report = await services.monitoring.report(admin)
    return AlertsReply.model_validate(
        {
            "firing": report.firing,
            "over": report.resolved,
            "rules": report.rules,
            "recommendations": report.recommendations,
        },
        from_attributes=True,
    )


@router.get(
    "/alerts/history",
    summary="List the alerts that no longer fire",
    description="In the order in which they ended, which `since` and `until` are about.",
    responses=responses(),
)
async def history(services: TheServices, admin: Admin, listing: TimedListing) -> AlertHistoryReply:
    page = await services.monitoring.history(admin, listing.wanted)
    return AlertHistoryReply(alerts=[OverReply.model_validate(each) for each in page.entries], next_cursor=listing.next_cursor(page.next))
