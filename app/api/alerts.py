"""Route of alerts: those that fire, each rule's value now, and recommendations from a day of measurements."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["operations"], route_class=AuthenticatedRoute)


class FiringReply(ResponseBody):
    """An alert that fires."""

    rule: str = Field(examples=["inference_slow"])
    labels: dict[str, str]
    severity: str = Field(examples=["warning"])
    summary: str = Field(examples=["Answers of models are slow (p95): 2.4 s, above 2 s"])
    value: float
    since: datetime


class OverReply(ResponseBody):
    """An alert that no longer fires."""

    rule: str
    labels: dict[str, str]
    severity: str
    summary: str
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


class AlertsReply(ResponseBody):
    firing: list[FiringReply]
    over: list[OverReply] = Field(description="The latest alerts that no longer fire, at most 20.")
    rules: list[RuleReply] = Field(description="Every rule, evaluated now.")
    recommendations: list[AdviceReply] = Field(description="Recommendations from the measurements of the last 24 hours.")


@router.get("/alerts", summary="Show firing alerts, the present value of every rule, and recommendations", responses=responses())
async def alerts(services: TheServices, admin: Admin) -> AlertsReply:
    report = await services.watch.report(admin)
    return AlertsReply.model_validate(
        {
            "firing": report.firing,
            "over": report.resolved,
            "rules": report.rules,
            "recommendations": report.recommendations,
        },
        from_attributes=True,
    )
